"""Words of LLVM that the micro-kernels are written in: byte addresses, vectors of ``LANES`` floats, masks.

Every function adds instructions to an llvmlite ``IRBuilder`` and returns the value they compute. Addresses
are opaque pointers and offsets count bytes. Memory is only assumed to be aligned to single floats: the
processors with wide vectors read unaligned vectors at full speed unless they straddle a cache line.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

from llvmlite import ir

from netspec_numba.host import LANES, PERMUTES_TWO

FLOAT = ir.FloatType()
INT8 = ir.IntType(8)
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
POINTER = ir.PointerType()
VECTOR = ir.VectorType(FLOAT, LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)
INDICES = ir.VectorType(INT32, LANES)

FLOAT_BYTES = 4
VECTOR_BYTES = FLOAT_BYTES * LANES
EMPTY_MASK, FULL_MASK = (ir.Constant(MASK, [ir.Constant(ir.IntType(1), each)] * LANES) for each in (0, 1))


def constant(number: float) -> ir.Constant:
    """A number in every lane."""
    return ir.Constant(VECTOR, [ir.Constant(FLOAT, float(number))] * LANES)


ZERO = constant(0.0)


def pointer(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """An integer address as a pointer."""
    return builder.inttoptr(address, POINTER)


def shift(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value | int) -> ir.Value:
    """``base`` moved by ``offset`` bytes."""
    if isinstance(offset, int):
        offset = INT64(offset)
    return builder.gep(base, [offset], source_etype=INT8)


def element(builder: ir.IRBuilder, base: ir.Value, index: ir.Value) -> ir.Value:
    """``base`` moved by ``index`` four-byte elements; an int32 index is extended with its sign."""
    return builder.gep(base, [index], source_etype=FLOAT)


def load_index(builder: ir.IRBuilder, base: ir.Value, offset: ir.Value | int) -> ir.Value:
    """The int32 at ``base + offset``."""
    return builder.load(shift(builder, base, offset), typ=INT32, align=4)


def load_pair(builder: ir.IRBuilder, base: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The two non-negative int32 at ``base``, as int64."""
    both = builder.load(base, typ=INT64, align=4)
    halves = (builder.and_(both, INT64(2**32 - 1)), builder.lshr(both, INT64(32)))
    return halves if sys.byteorder == "little" else (halves[1], halves[0])


def load(builder: ir.IRBuilder, base: ir.Value, offset: int = 0) -> ir.Value:
    """The vector at ``base + offset``."""
    return builder.load(shift(builder, base, offset), typ=VECTOR, align=FLOAT_BYTES)


def store(builder: ir.IRBuilder, value: ir.Value, base: ir.Value, offset: int = 0) -> None:
    """Write a vector to ``base + offset``."""
    builder.store(value, shift(builder, base, offset), align=FLOAT_BYTES)


def broadcast(builder: ir.IRBuilder, base: ir.Value, offset: int = 0) -> ir.Value:
    """The float at ``base + offset`` in every lane."""
    return spread(builder, builder.load(shift(builder, base, offset), typ=FLOAT, align=FLOAT_BYTES), VECTOR)


def prefetch(
    builder: ir.IRBuilder, base: ir.Value, offset: ir.Value | int = 0, to_write: bool = False, level: int = 2
) -> None:
    """Ask for the cache line at ``base + offset`` in the cache of this ``level``; any address will do."""
    function = declare(builder, "llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [POINTER, INT32, INT32, INT32]))
    purpose, locality, data = INT32(int(to_write)), INT32(4 - level), INT32(1)
    builder.call(function, [shift(builder, base, offset), purpose, locality, data])


def fused_multiply_add(builder: ir.IRBuilder, left: ir.Value, right: ir.Value, addend: ir.Value) -> ir.Value:
    """``left * right + addend``, rounded once."""
    function = declare(builder, f"llvm.fma.v{LANES}f32", ir.FunctionType(VECTOR, [VECTOR] * 3))
    return builder.call(function, [left, right, addend])


def leading_lanes(builder: ir.IRBuilder, count: ir.Value, skipped: int = 0) -> ir.Value:
    """The mask of the lanes ``i`` with ``skipped + i < count`` (``count`` is an int64)."""
    indices = ir.Constant(INDICES, [ir.Constant(INT32, skipped + lane) for lane in range(LANES)])
    limit = spread(builder, builder.trunc(count, INT32), INDICES)
    return builder.icmp_signed("<", indices, limit)


def masked_load(builder: ir.IRBuilder, mask: ir.Value, base: ir.Value, offset: int = 0) -> ir.Value:
    """The vector at ``base + offset``, with zero in the lanes outside ``mask``, which are not read."""
    signature = ir.FunctionType(VECTOR, [POINTER, INT32, MASK, VECTOR])
    function = declare(builder, f"llvm.masked.load.v{LANES}f32.p0", signature)
    return builder.call(function, [shift(builder, base, offset), INT32(FLOAT_BYTES), mask, ZERO])


def masked_store(builder: ir.IRBuilder, mask: ir.Value, value: ir.Value, base: ir.Value) -> None:
    """Write the lanes of ``value`` inside ``mask`` to ``base``; the others leave memory untouched."""
    signature = ir.FunctionType(ir.VoidType(), [VECTOR, POINTER, INT32, MASK])
    function = declare(builder, f"llvm.masked.store.v{LANES}f32.p0", signature)
    builder.call(function, [value, base, INT32(FLOAT_BYTES), mask])


class Ending(NamedTuple):
    """What is done to results before they are stored, all int64: a residual is added, then they are clipped."""

    adds: ir.Value
    """1 if there is a residual, else 0."""
    distance: ir.Value
    """Bytes from where a result is stored to its residual, which is laid out alike."""
    limits: ir.Value
    """Address of two floats: smaller numbers become the first, larger ones the second."""


def end(builder: ir.IRBuilder, ending: Ending, value: ir.Value, residual: ir.Value, mask: ir.Value) -> ir.Value:
    """A vector as it is stored; its ``residual`` is read only inside ``mask``, and where one is added at all."""
    adds = builder.icmp_signed("!=", ending.adds, INT64(0))
    value = builder.fadd(value, masked_load(builder, builder.select(adds, mask, EMPTY_MASK), residual))
    limits = pointer(builder, ending.limits)
    return clip(builder, value, broadcast(builder, limits), broadcast(builder, limits, FLOAT_BYTES))


def clip(builder: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    """Smaller numbers become ``low`` and larger ones ``high``."""
    # Ordered comparisons: NaN is on neither side, and stays.
    value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
    return builder.select(builder.fcmp_ordered(">", value, high), high, value)


def larger(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    """The larger number of each lane, ``left`` where they are equal; NaN where either is one."""
    either = builder.select(builder.fcmp_ordered(">", right, left), right, left)
    return builder.select(builder.fcmp_ordered("ord", left, right), either, constant(math.nan))


def select_lanes(builder: ir.IRBuilder, left: ir.Value, right: ir.Value, lanes: list[int]) -> ir.Value:
    """The given lanes of ``left`` and ``right`` side by side: those of ``right`` count from ``LANES``."""
    return builder.shuffle_vector(left, right, ir.Constant(INDICES, lanes))


def select_two(builder: ir.IRBuilder, left: ir.Value, right: ir.Value, lanes: ir.Value) -> ir.Value:
    """Those lanes of the vectors at ``left`` and ``right``: numbers of ``right`` count from ``LANES``, -1 gives 0."""
    wanted = builder.icmp_signed(">=", lanes, ir.Constant(INDICES, [0] * LANES))
    if PERMUTES_TWO:
        signature = ir.FunctionType(VECTOR, [VECTOR, INDICES, VECTOR])
        function = declare(builder, "llvm.x86.avx512.vpermi2var.ps.512", signature)
        return builder.select(wanted, builder.call(function, [load(builder, left), lanes, load(builder, right)]), ZERO)
    found = ZERO
    lanes = builder.select(wanted, lanes, ir.Constant(INDICES, [0] * LANES))
    for lane in range(LANES):
        number = builder.extract_element(lanes, INT32(lane))
        second = element(builder, right, builder.sub(number, INT32(LANES)))
        source = builder.select(builder.icmp_signed("<", number, INT32(LANES)), element(builder, left, number), second)
        found = builder.insert_element(found, builder.load(source, typ=FLOAT, align=FLOAT_BYTES), INT32(lane))
    return builder.select(wanted, found, ZERO)


def transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square of ``LANES`` vectors.

    Eklundh's algorithm (1972): for every power of two, exchange the off-diagonal quarters of squares twice that wide.
    """
    rows = list(rows)
    width = 1
    while width < LANES:
        kept = [lane if not lane & width else LANES + lane - width for lane in range(LANES)]
        moved = [lane + width if not lane & width else LANES + lane for lane in range(LANES)]
        for upper in (row for row in range(LANES) if not row & width):
            above, below = rows[upper], rows[upper + width]
            rows[upper] = select_lanes(builder, above, below, kept)
            rows[upper + width] = select_lanes(builder, above, below, moved)
        width *= 2
    return rows


def spread(builder: ir.IRBuilder, scalar: ir.Value, vector: ir.VectorType) -> ir.Value:
    """A number in every lane of a vector of this type."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(INDICES, [0] * LANES))


def declare(builder: ir.IRBuilder, name: str, signature: ir.FunctionType) -> ir.Function:
    """A function of LLVM's own, known to the module."""
    return builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
