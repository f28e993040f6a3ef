"""Files: atomic writes, HDF5, MATLAB, tables, and the one exception that is meant for people."""
