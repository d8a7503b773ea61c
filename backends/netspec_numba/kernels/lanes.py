"""Vectors of LANES numbers inside a kernel: loaded, computed with and stored as one.

LLVM's own vectorisers cannot see that the storage a loop reads is not what it writes, and then leave a loop of
LANES steps scalar. A value of :class:`Lanes` is a vector register (or several) from the start; the operators
``+ - * /``, comparisons, ``|`` and ``&`` act on each lane, NaN and infinity as IEEE has them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from netspec_numba.host import LANES

_ELEMENTS = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int32: ir.IntType(32),
    types.boolean: ir.IntType(1),
}
_INDEX = ir.IntType(64)


class Lanes(types.Type):
    """numba's type of LANES numbers of one element type: float32, float64, int32, or boolean for a mask."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype}, {LANES})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """A vector of LLVM."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(_ELEMENTS[kind.dtype], LANES))


def _vector(dtype: Any) -> Any:
    return ir.VectorType(_ELEMENTS[dtype], LANES)


def _bytes(array: Any) -> int:
    return int(array.dtype.bitwidth) // 8


def _address(context: Any, builder: Any, array: Any, value: Any, index: Any) -> Any:
    """Pointer to one element of an array."""
    return builder.gep(context.make_array(array)(context, builder, value).data, [index], inbounds=True)


def _store(builder: Any, numbers: Any, address: Any, align: int) -> None:
    builder.store(numbers, builder.bitcast(address, numbers.type.as_pointer()), align=align)


def _as_stored(builder: Any, array: Any, numbers: Any) -> Any:
    """int32 lanes cut to bytes where the array holds bytes."""
    return builder.trunc(numbers, ir.VectorType(ir.IntType(8), LANES)) if array.dtype == types.uint8 else numbers


def _spread(builder: Any, value: Any) -> Any:
    """A scalar of LLVM in every lane."""
    vector = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)


@intrinsic
def load_lanes(typing_context: Any, array: Any, index: Any) -> Any:
    """LANES neighbouring numbers from an index on; bytes become int32."""
    small = array.dtype == types.uint8
    made = Lanes(types.int32 if small else array.dtype)

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        stored = ir.VectorType(ir.IntType(8), LANES) if small else _vector(array.dtype)
        address = _address(context, builder, array, *arguments)
        loaded = builder.load(builder.bitcast(address, stored.as_pointer()), align=_bytes(array))
        return builder.zext(loaded, _vector(types.int32)) if small else loaded

    return made(array, types.int64), generate


@intrinsic
def store_lanes(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Store LANES neighbouring numbers from an index on; int32 may go into bytes."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        owner, place, numbers = arguments
        _store(
            builder, _as_stored(builder, array, numbers), _address(context, builder, array, owner, place), _bytes(array)
        )
        return context.get_dummy_value()

    return types.void(array, types.int64, value), generate


@intrinsic
def store_first(typing_context: Any, array: Any, index: Any, value: Any, width: Any) -> Any:
    """Store the first ``width`` lanes, all of them if it is LANES or more, and touch nothing behind them."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        owner, place, numbers, count = arguments
        address = _address(context, builder, array, owner, place)
        numbers = _as_stored(builder, array, numbers)
        whole = builder.icmp_signed(">=", count, _INDEX(LANES))
        with builder.if_else(whole, likely=True) as (all_lanes, some_lanes):
            with all_lanes:
                _store(builder, numbers, address, _bytes(array))
            with some_lanes, cgutils.for_range(builder, count) as loop:
                lane = builder.extract_element(numbers, loop.index)
                builder.store(lane, builder.gep(address, [loop.index], inbounds=True))
        return context.get_dummy_value()

    return types.void(array, types.int64, value, types.int64), generate


@intrinsic
def store_bytes(typing_context: Any, array: Any, index: Any, value: Any, width: Any) -> Any:
    """Store the first ``width`` int32 lanes as bytes, all of them if it is LANES or more; one masked instruction."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        owner, place, numbers, count = arguments
        indices = ir.Constant(_vector(types.int32), list(range(LANES)))
        limit = builder.select(builder.icmp_signed(">", count, _INDEX(LANES)), _INDEX(LANES), count)
        mask = builder.icmp_signed("<", indices, _spread(builder, builder.trunc(limit, ir.IntType(32))))
        stored, pointer = ir.VectorType(ir.IntType(8), LANES), ir.PointerType()
        known = ir.FunctionType(ir.VoidType(), [stored, pointer, ir.IntType(32), mask.type])
        function = cgutils.get_or_insert_function(builder.module, known, f"llvm.masked.store.v{LANES}i8.p0")
        address = builder.bitcast(_address(context, builder, array, owner, place), pointer)
        builder.call(function, [builder.trunc(numbers, stored), address, ir.IntType(32)(1), mask])
        return context.get_dummy_value()

    return types.void(array, types.int64, value, types.int64), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element that is soon read; an index past the end does no harm."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        whole = ir.IntType(32)
        known = ir.FunctionType(ir.VoidType(), [pointer, whole, whole, whole])
        function = cgutils.get_or_insert_function(builder.module, known, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, array, *arguments), pointer)
        read, keep_in_all_caches, data = 0, 3, 1
        builder.call(function, [address, whole(read), whole(keep_in_all_caches), whole(data)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def spread(typing_context: Any, value: Any) -> Any:
    """One number in every lane."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return Lanes(value)(value), generate


@intrinsic
def lane_numbers(typing_context: Any) -> Any:
    """0, 1, 2, ... as int32."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return ir.Constant(_vector(types.int32), list(range(LANES)))

    return Lanes(types.int32)(), generate


@intrinsic
def lane(typing_context: Any, vector: Any, number: Any) -> Any:
    """The number in one lane."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return builder.extract_element(*arguments)

    return vector.dtype(vector, types.int64), generate


def _fold(builder: Any, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
    """One number from all lanes, the upper half joined to the lower until one is left."""
    undefined = ir.Constant(vector.type, ir.Undefined)
    half = LANES // 2
    while half:
        order = [(each + half) % LANES for each in range(LANES)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)
        vector = join(vector, builder.shuffle_vector(vector, undefined, mask))
        half //= 2
    return builder.extract_element(vector, ir.IntType(32)(0))


@intrinsic
def sum_of_lanes(typing_context: Any, vector: Any) -> Any:
    """The sum of all lanes, halves first: a fixed order."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return _fold(builder, arguments[0], builder.fadd)

    return vector.dtype(vector), generate


@intrinsic
def largest_of_lanes(typing_context: Any, vector: Any) -> Any:
    """The largest of all lanes, none of which is NaN."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return _fold(builder, arguments[0], larger)

    return vector.dtype(vector), generate


@intrinsic
def any_lane(typing_context: Any, mask: Any) -> Any:
    """Whether a mask holds in any lane."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        bits = ir.IntType(LANES)
        return builder.icmp_unsigned("!=", builder.bitcast(arguments[0], bits), bits(0))

    return types.boolean(mask), generate


@intrinsic
def choose(typing_context: Any, mask: Any, a: Any, b: Any) -> Any:
    """``a`` in the lanes where the mask holds, ``b`` in the others."""

    def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return a(mask, a, b), generate


def _conversion(dtype: Any, instructions: dict[Any, str], what: str) -> Any:
    """An intrinsic that turns lanes of the listed types into ``dtype``, and returns lanes of it as they are."""

    def convert(typing_context: Any, vector: Any) -> Any:
        def generate(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
            if vector.dtype == dtype:
                return arguments[0]
            return getattr(builder, instructions[vector.dtype])(arguments[0], _vector(dtype))

        return Lanes(dtype)(vector), generate

    convert.__doc__ = what
    return intrinsic(convert)


as_single = _conversion(types.float32, {types.int32: "sitofp", types.float64: "fptrunc"}, "Lanes as float32.")
as_double = _conversion(types.float64, {types.int32: "sitofp", types.float32: "fpext"}, "Lanes as float64.")
as_bits = _conversion(types.int32, {types.float32: "bitcast"}, "The bits of float32 lanes.")
from_bits = _conversion(types.float32, {types.int32: "bitcast"}, "The float32 lanes with these bits.")


def _define(function: Any, result: Callable[[Any], Any | None], emit: Callable[[Any, Any, Any, Any], Any]) -> None:
    """Give an operator a meaning for two vectors of one element type."""

    class Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            if len(arguments) != 2 or not all(isinstance(each, Lanes) for each in arguments):
                return None
            made = result(arguments[0].dtype) if arguments[0] == arguments[1] else None
            return None if made is None else signature(Lanes(made), *arguments)

    infer_global(function)(Template)

    @lower_builtin(function, Lanes, Lanes)
    def lower(context: Any, builder: Any, declared: Any, arguments: Any) -> Any:
        return emit(builder, declared.args[0].dtype, *arguments)


def _arithmetic(function: Any, real: str, whole: str) -> None:
    def emit(builder: Any, dtype: Any, a: Any, b: Any) -> Any:
        return getattr(builder, whole if dtype == types.int32 else real)(a, b)

    _define(function, lambda dtype: None if dtype == types.boolean else dtype, emit)


def _comparison(function: Any, symbol: str) -> None:
    def emit(builder: Any, dtype: Any, a: Any, b: Any) -> Any:
        if dtype == types.int32:
            return builder.icmp_signed(symbol, a, b)
        return (builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered)(symbol, a, b)

    _define(function, lambda dtype: types.boolean, emit)


def _bitwise(function: Any, instruction: str) -> None:
    _define(
        function,
        lambda dtype: dtype if dtype in (types.boolean, types.int32) else None,
        lambda builder, dtype, a, b: getattr(builder, instruction)(a, b),
    )


_arithmetic(operator.add, "fadd", "add")
_arithmetic(operator.sub, "fsub", "sub")
_arithmetic(operator.mul, "fmul", "mul")
_arithmetic(operator.truediv, "fdiv", "sdiv")
_comparison(operator.lt, "<")
_comparison(operator.gt, ">")
_comparison(operator.ge, ">=")
_comparison(operator.eq, "==")
_comparison(operator.ne, "!=")
_bitwise(operator.and_, "and_")
_bitwise(operator.or_, "or_")
_bitwise(operator.lshift, "shl")
_bitwise(operator.rshift, "ashr")
