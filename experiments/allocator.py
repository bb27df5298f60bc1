"""How the C library's allocator is set while a CPU trains or is timed."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h
LARGEST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Lets this process keep the memory that it frees; tells whether that could be asked for.

    glibc gives large blocks back to the system and takes them anew, filled page by page: a third
    of the time of a network at 224 pixels, more or less by what the process did before, so that
    one network took 36 ms or 50 ms. Kept, memory costs the same each time, as with the allocators
    that serving systems use.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, LARGEST))
