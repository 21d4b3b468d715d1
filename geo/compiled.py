"""Compilation of the few loops that numpy cannot express well."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that becomes machine code at its first call.

    Until then the compiler is not loaded: it takes 90 MB and a second, and many processes never ask a question that
    needs it.
    """

    def __init__(self, function: Callable[P, R], make: Callable[[Callable[P, R]], Callable[P, R]]) -> None:
        self.function = function
        self.make = make
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's answer, by its machine code."""
        return self.code(*args, **kwargs)

    @cached_property
    def code(self) -> Callable[P, R]:
        """The machine code; kept on disk where a folder can be written, else made anew in each process."""
        from numba.extending import typeof_impl

        if Compiled not in typeof_impl.registry:
            typeof_impl.register(Compiled)(_as_code)  # so that one compiled function may call another
        return self.make(self.function)


def compiled(function: Callable[P, R]) -> Compiled[P, R]:
    """``function`` as machine code that releases the interpreter lock.

    On a read-only file system without NUMBA_CACHE_DIR it is compiled anew in each process.
    """
    return Compiled(function, _machine_code)


def _machine_code(function: Callable[P, R]) -> Callable[P, R]:
    import numba

    try:
        made: Callable[P, R] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder to keep it in
        made = numba.njit(nogil=True)(function)
    return made


def _as_code(value: Compiled[..., Any], context: Any) -> Any:
    """The compiler's type of a compiled function that another calls."""
    from numba.extending import typeof_impl

    return typeof_impl(value.code, context)
