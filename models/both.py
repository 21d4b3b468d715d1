"""Formulas that run twice: on floats inside compiled loops, and on whole arrays with numpy alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.extending import overload, register_jitable

Number = Any
"""A float inside a compiled loop, an array (readings,) float64 outside."""

F = TypeVar("F", bound=Callable[..., Any])


def formula(function: F) -> F:
    """``function`` as it is, and known to compiled loops that call it."""
    return register_jitable(function)


def choose(condition: Number, yes: Number, no: Number) -> Number:
    """``yes`` where ``condition``, else ``no``; both are worked out before."""
    return np.where(condition, yes, no)


@overload(choose)
def _choose(condition: Number, yes: Number, no: Number) -> Callable[[Number, Number, Number], Number]:
    def chosen(condition: Number, yes: Number, no: Number) -> Number:
        return yes if condition else no

    return chosen


def compiled(function: F) -> F:
    """``function`` as machine code, kept on disk where numba finds a folder that it can write (NUMBA_CACHE_DIR)."""
    try:
        return cast(F, njit(cache=True, error_model="numpy")(function))
    except RuntimeError:  # no such folder: compile at each start
        return cast(F, njit(error_model="numpy")(function))
