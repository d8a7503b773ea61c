"""Runs of bytes moved, filled and compared, 64 or 16 at a time, whatever the width of the vectors.

Nothing is masked: the last piece of a run overlaps the one before, and what is shorter than a piece goes byte by byte.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec_numba.contract import Array
from netspec_numba.kernels.loops import device

LONG, SHORT = 64, 16
"""Bytes of a piece."""
_BYTE, _NUMBER, _INDEX = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def _place(context: Any, builder: Any, kind: Any, array: Any, value: Any, index: Any) -> Any:
    """Pointer to what begins at one element of an array."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [index], inbounds=True), kind.as_pointer())


def _copier(size: int) -> Any:
    kind = ir.VectorType(_BYTE, size)

    def copy(typing_context: Any, y: Any, to: Any, x: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
            piece = builder.load(_place(context, builder, kind, x, *arguments[2:]), align=1)
            builder.store(piece, _place(context, builder, kind, y, *arguments[:2]), align=1)
            return context.get_dummy_value()

        return types.void(y, types.int64, x, types.int64), generate

    return intrinsic(copy)


def _filler(size: int) -> Any:
    kind = ir.VectorType(_BYTE, size)

    def fill(typing_context: Any, y: Any, to: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
            one = builder.insert_element(ir.Constant(kind, ir.Undefined), arguments[2], ir.IntType(32)(0))
            every = ir.Constant(ir.VectorType(ir.IntType(32), size), [0] * size)
            filled = builder.shuffle_vector(one, one, every)
            builder.store(filled, _place(context, builder, kind, y, *arguments[:2]), align=1)
            return context.get_dummy_value()

        return types.void(y, types.int64, types.uint8), generate

    return intrinsic(fill)


def _selector(size: int) -> Any:
    kind = ir.VectorType(_BYTE, size)

    def select(
        typing_context: Any, y: Any, to: Any, x: Any, at: Any, sources: Any, first: Any, end: Any, width: Any
    ) -> Any:
        def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
            y_, to_, x_, at_, sources_, first_, end_, width_ = arguments
            best = cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * size))
            with cgutils.for_range(builder, builder.sub(end_, first_)) as entry:
                number = _place(context, builder, _NUMBER, sources, sources_, builder.add(first_, entry.index))
                distance = builder.mul(builder.sext(builder.load(number), _INDEX), width_)
                piece = builder.load(_place(context, builder, kind, x, x_, builder.add(at_, distance)), align=1)
                known = builder.load(best)
                builder.store(builder.select(builder.icmp_unsigned(">", piece, known), piece, known), best)
            builder.store(builder.load(best), _place(context, builder, kind, y, y_, to_), align=1)
            return context.get_dummy_value()

        return types.void(y, types.int64, x, types.int64, sources, *(types.int64,) * 3), generate

    return intrinsic(select)


_copy_long, _copy_short = _copier(LONG), _copier(SHORT)
_fill_long, _fill_short = _filler(LONG), _filler(SHORT)
_largest_long, _largest_short = _selector(LONG), _selector(SHORT)


@device
def copy_bytes(y: Array, to: int, x: Array, at: int, count: int) -> None:
    """``y[to:to+count] = x[at:at+count]``."""
    if count >= LONG:
        for done in range(0, count - LONG, LONG):
            _copy_long(y, to + done, x, at + done)
        _copy_long(y, to + count - LONG, x, at + count - LONG)
    elif count >= SHORT:
        for done in range(0, count - SHORT, SHORT):
            _copy_short(y, to + done, x, at + done)
        _copy_short(y, to + count - SHORT, x, at + count - SHORT)
    else:
        for done in range(count):
            y[to + done] = x[at + done]


@device
def fill_bytes(y: Array, to: int, count: int, value: Any) -> None:
    """``y[to:to+count] = value``, a uint8."""
    if count >= LONG:
        for done in range(0, count - LONG, LONG):
            _fill_long(y, to + done, value)
        _fill_long(y, to + count - LONG, value)
    elif count >= SHORT:
        for done in range(0, count - SHORT, SHORT):
            _fill_short(y, to + done, value)
        _fill_short(y, to + count - SHORT, value)
    else:
        for done in range(count):
            y[to + done] = value


@device
def largest_rows(
    y: Array, to: int, x: Array, at: int, sources: Array, first: int, end: int, width: int, room: int
) -> None:
    """``y[to:to+width]``: the largest byte each of rows ``sources[first:end]``, ``width`` apart, of x from ``at`` on.

    As many as ``room`` bytes from ``to`` on may be overwritten.
    """
    if width >= LONG:
        for done in range(0, width - LONG, LONG):
            _largest_long(y, to + done, x, at + done, sources, first, end, width)
        _largest_long(y, to + width - LONG, x, at + width - LONG, sources, first, end, width)
    elif width >= SHORT:
        for done in range(0, width - SHORT, SHORT):
            _largest_short(y, to + done, x, at + done, sources, first, end, width)
        _largest_short(y, to + width - SHORT, x, at + width - SHORT, sources, first, end, width)
    elif room >= SHORT:
        _largest_short(y, to, x, at, sources, first, end, width)
    else:
        for channel in range(width):
            best = x[at + sources[first] * width + channel]
            for entry in range(first + 1, end):
                best = max(best, x[at + sources[entry] * width + channel])
            y[to + channel] = best
