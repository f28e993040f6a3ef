"""The C library's memory allocator, told what this work is like."""

import ctypes

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Keep freed memory for the next allocation instead of handing it back to the system.

    Every response of a batch is a large array. By default each comes as fresh pages, whose first touch
    costs more than much of the arithmetic. Holds for the whole process from here on. Returns False, and
    changes nothing, where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
