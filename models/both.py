"""Formulas that run twice: on floats inside compiled loops, and on whole arrays with numpy alone."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np

from geo.compiled import Compiled

Number = Any
"""A float inside a compiled loop, an array (readings,) float64 outside."""

F = TypeVar("F", bound=Callable[..., Any])

_telling = Lock()
_untold: list[Callable[[], object]] = []
"""What the compiler is told when the first loop is compiled: it takes 55 MB and 0.2 s, and many processes read a pack
and never score a reading."""


def formula(function: F) -> F:
    """``function`` as it is, and known to compiled loops that call it."""

    def tell() -> None:
        from numba.extending import register_jitable

        register_jitable(function)

    _untold.append(tell)
    return function


def within_loops(function: Callable[..., Any], **options: Any) -> Callable[[F], F]:
    """Compiled loops call what the decorated maker gives for the types of the arguments, in place of ``function``.

    ``options`` are those of numba's ``overload``.
    """

    def decorated(maker: F) -> F:
        def tell() -> None:
            from numba.extending import overload

            overload(function, **options)(maker)

        _untold.append(tell)
        return maker

    return decorated


def choose(condition: Number, yes: Number, no: Number) -> Number:
    """``yes`` where ``condition``, else ``no``; both are worked out before."""
    return np.where(condition, yes, no)


@within_loops(choose)
def _choose(condition: Number, yes: Number, no: Number) -> Callable[[Number, Number, Number], Number]:
    def chosen(condition: Number, yes: Number, no: Number) -> Number:
        return yes if condition else no

    return chosen


def lower(one: Number, other: Number) -> Number:
    """The smaller of both; quicker in compiled loops than numpy's, which looks for NaN."""
    return np.minimum(one, other)


@within_loops(lower)
def _lower(one: Number, other: Number) -> Callable[[Number, Number], Number]:
    def smaller(one: Number, other: Number) -> Number:
        return one if one < other else other

    return smaller


def upper(one: Number, other: Number) -> Number:
    """The larger of both; quicker in compiled loops than numpy's, which looks for NaN."""
    return np.maximum(one, other)


@within_loops(upper)
def _upper(one: Number, other: Number) -> Callable[[Number, Number], Number]:
    def larger(one: Number, other: Number) -> Number:
        return one if one > other else other

    return larger


def compiled(function: F, nogil: bool = False) -> F:
    """``function`` as machine code from its first call on, kept on disk where numba finds a folder that it can write
    (NUMBA_CACHE_DIR).

    ``nogil`` is for long calls that may run beside each other in threads; short ones would pay for taking turns.
    """
    return cast(F, Compiled(function, partial(_machine_code, nogil)))


def _machine_code(nogil: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    with _telling:
        while _untold:
            _untold.pop(0)()
    try:
        made = njit(cache=True, error_model="numpy", nogil=nogil)(function)
    except RuntimeError:  # no such folder: compile at each start
        return cast(Callable[..., Any], njit(error_model="numpy", nogil=nogil)(function))
    # numba looks at the function's own file alone; what it calls lies in others too
    made._cache._cache_file._source_stamp = _stamp(function)  # type: ignore[attr-defined]  # has no public name
    return cast(Callable[..., Any], made)


def _stamp(function: Callable[..., Any]) -> str:
    """A digest of every file of this package that ``function`` builds on."""
    package = __name__.partition(".")[0]
    names, todo = set(), [function.__module__]
    while todo:
        name = todo.pop()
        if name in names or name not in sys.modules or name.partition(".")[0] != package:
            continue
        names.add(name)
        todo += [getattr(thing, "__module__", None) or thing.__name__ for thing in _named(vars(sys.modules[name]))]
    files = sorted(str(sys.modules[name].__file__) for name in names)
    return hashlib.blake2b(b"".join(Path(file).read_bytes() for file in files), digest_size=16).hexdigest()


def _named(scope: dict[str, Any]) -> list[Any]:
    """The functions, classes and modules of a module's scope."""
    return [thing for thing in scope.values() if hasattr(thing, "__name__") and not isinstance(thing, str)]
