"""Fetch ahead: memory that a loop will need soon is asked for before it is needed.

At 100,000 datastreams of a kilobyte each the state lies in main memory, and a loop that waits for every line of it
loses more time than it computes. The processor fetches several lines at once when it is told early enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from models.both import within_loops

LINE = 64  # bytes that come together


def ahead(array: Any, row: int, lines: int) -> None:
    """Ask for the first ``lines`` cache lines of ``array[row]``; changes nothing. In compiled loops alone."""


@within_loops(ahead, prefer_literal=True)
def _ahead(array: Any, row: Any, lines: Any) -> Callable[[Any, Any, Any], None]:
    fetch = _instructions()

    def asked(array: Any, row: Any, lines: Any) -> None:
        fetch(array, row, lines)

    return asked


@cache
def _instructions() -> Callable[[Any, int, int], None]:
    """The processor's own instructions; the lines must be known when the loop is compiled."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def prefetch(typing: Any, array: Any, row: Any, lines: Any) -> Any:
        if not (isinstance(array, types.Array) and isinstance(row, types.Integer)):
            return None
        if not isinstance(lines, types.IntegerLiteral):
            return None
        count = int(lines.literal_value)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = signature.args[0]
            start = context.make_array(kind)(context, builder, args[0])
            stride = builder.extract_value(start.strides, 0)
            at = context.cast(builder, args[1], signature.args[1], types.intp)
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            base = builder.ptrtoint(start.data, stride.type)
            first = builder.add(base, builder.mul(at, stride))
            fetch = builder.module.declare_intrinsic(
                "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            )
            for line in range(count):
                where = builder.inttoptr(builder.add(first, ir.Constant(stride.type, line * LINE)), byte)
                builder.call(fetch, [where, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
            return context.get_dummy_value()

        return types.void(array, row, lines), code

    return cast(Callable[[Any, int, int], None], prefetch)
