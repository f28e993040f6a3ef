"""Where and how to compute: devices, threads, memory, deterministic kernels."""
