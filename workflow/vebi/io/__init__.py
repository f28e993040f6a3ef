"""Files: atomic writes, HDF5, MATLAB, tables, and the one exception that is meant for people."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.io.errors import VebiError
    from vebi.io.files import atomic_path, write_text
    from vebi.io.hdf5 import create_hdf5, open_hdf5
    from vebi.io.matlab import load_mat
    from vebi.io.tables import Table, read_table, write_table
    from vebi.io.tensors import load_tensors

__all__ = [
    "Table",
    "VebiError",
    "atomic_path",
    "create_hdf5",
    "load_mat",
    "load_tensors",
    "open_hdf5",
    "read_table",
    "write_table",
    "write_text",
]

__getattr__ = late_names(
    __name__,
    {
        "errors": ("VebiError",),
        "files": ("atomic_path", "write_text"),
        "hdf5": ("create_hdf5", "open_hdf5"),
        "matlab": ("load_mat",),
        "tables": ("Table", "read_table", "write_table"),
        "tensors": ("load_tensors",),
    },
)
