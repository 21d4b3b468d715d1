"""Fetch ahead: memory that a loop will need soon is asked for before it is needed.

At 100,000 datastreams of a kilobyte each the state lies in main memory, and a loop that waits for every line of it
loses more time than it computes. The processor fetches several lines at once when it is told early enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LINE = 64  # bytes that come together


@intrinsic
def _ahead(typing: Any, array: Any, row: Any, lines: Any) -> Any:
    """The instructions; ``lines`` must be known when the loop is compiled."""
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


ahead = cast(Callable[[Any, int, int], None], _ahead)
"""``ahead(array, row, lines)`` asks for the first cache lines of ``array[row]``; changes nothing. In compiled loops."""
