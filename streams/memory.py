"""Where a worker's large arrays live, so that what was freed goes back to the machine.

glibc raises the size from which an array gets pages of its own up to 32 MB as arrays are freed. A worker's snapshots
then come from the heap, between what stays, and leave holes that nobody fills. With a fixed size they do not.
"""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
LARGE = 1 << 20  # bytes


def large_arrays_apart(size: int = LARGE) -> bool:
    """Give arrays of ``size`` bytes or more pages of their own; True where the C library lets one say so (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, macOS: they return large arrays by themselves
        return False
    return bool(mallopt(_MMAP_THRESHOLD, size))
