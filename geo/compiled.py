"""Compilation of the few loops that numpy cannot express well."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as machine code that releases the interpreter lock, kept on disk where a folder can be written.

    On a read-only file system without NUMBA_CACHE_DIR it is compiled anew in each process.
    """
    try:
        made: Callable[P, R] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder to keep it in
        made = numba.njit(nogil=True)(function)
    return made
