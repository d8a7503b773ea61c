"""Moving floats about: copies, sums, zeros and transposes in whole vectors, for the code around micro-kernels.

Compiled array loops would do, were it not that Numba's check for negative indices keeps LLVM from vectorising
them. All arguments are int64; ``target`` and ``source`` are byte addresses, counts are floats.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES
from netspec_numba.kernels.vectors import (
    INT64,
    ZERO,
    element,
    leading_lanes,
    load,
    masked_load,
    masked_store,
    pointer,
    store,
    transposed,
)


def _for_each_vector(builder: ir.IRBuilder, count: ir.Value, move: Callable[[ir.Value, ir.Value], None]) -> None:
    """Call ``move(index, mask)`` for the vectors of ``count`` floats; the mask is partial in the last one."""
    with cgutils.for_range_slice(builder, INT64(0), count, INT64(LANES)) as (index, _):
        move(index, leading_lanes(builder, builder.sub(count, index)))


@intrinsic
def copy_floats(typing_context, target, source, count):
    """target[:count] = source[:count]"""

    def generate(context, builder, signature, arguments):
        to, origin = (pointer(builder, address) for address in arguments[:2])

        def move(index: ir.Value, mask: ir.Value) -> None:
            value = masked_load(builder, mask, element(builder, origin, index))
            masked_store(builder, mask, value, element(builder, to, index))

        _for_each_vector(builder, arguments[2], move)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def add_floats(typing_context, target, source, count):
    """target[:count] += source[:count]"""

    def generate(context, builder, signature, arguments):
        to, origin = (pointer(builder, address) for address in arguments[:2])

        def move(index: ir.Value, mask: ir.Value) -> None:
            place = element(builder, to, index)
            value = masked_load(builder, mask, element(builder, origin, index))
            masked_store(builder, mask, builder.fadd(masked_load(builder, mask, place), value), place)

        _for_each_vector(builder, arguments[2], move)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def zero_floats(typing_context, target, count):
    """target[:count] = 0"""

    def generate(context, builder, signature, arguments):
        to = pointer(builder, arguments[0])
        _for_each_vector(
            builder, arguments[1], lambda index, mask: masked_store(builder, mask, ZERO, element(builder, to, index))
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def transpose_square(typing_context, target, target_row, source, source_row):
    """target[j, i] = source[i, j] for ``LANES`` rows and columns; the row distances count floats."""

    def generate(context, builder, signature, arguments):
        to, to_row, origin, origin_row = arguments
        to, origin = pointer(builder, to), pointer(builder, origin)
        rows = [load(builder, element(builder, origin, builder.mul(origin_row, INT64(i)))) for i in range(LANES)]
        for number, row in enumerate(transposed(builder, rows)):
            store(builder, row, element(builder, to, builder.mul(to_row, INT64(number))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate
