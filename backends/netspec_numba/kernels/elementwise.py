"""The generator of elementwise kernels: from the scalar expressions of an op, or of a chain of them, one loop.

An elementwise op's declaration has ``expressions(number_of_inputs)``, one expression per output, in which the
inputs are ``x0``, ``x1`` and so on. All operands have one shape and layout, except run-time scalars.

What depends on scalars alone is computed once, ahead of the loop, in float64: so a bias correction such as
``1 - beta**step`` keeps its digits. Inside the loop everything is float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netspec.core.expression import (
    COMPARISONS,
    INFIX,
    Apply,
    Dialect,
    Expression,
    Variable,
    render,
    substitute,
    variables,
)
from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request
from netspec_numba.kernels.gates import build_gate
from netspec_numba.kernels.generated import module

NUMBERS_PER_PART = 8192
"""Numbers one thread takes at a time: a few microseconds of work, and little enough to stay in the first cache."""

_SHARED = {operation: f"{{0}} {symbol} {{1}}" for operation, (symbol, _) in INFIX.items()} | {
    "negative": "-{0}",
    "abs": "abs({0})",
    "sqrt": "math.sqrt({0})",
    "rint": "np.rint({0})",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "where": "{1} if {0} else {2}",
}
_OWN_FUNCTIONS = {name: f"{name}({{0}})" for name in ("exp", "log", "tanh", "erf")}
_LIBRARY_FUNCTIONS = {name: f"math.{name}({{0}})" for name in ("exp", "log", "tanh", "erf")}


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'float("{value}")'


_PER_ELEMENT = Dialect(_SHARED | _OWN_FUNCTIONS, lambda value: f"np.float32({_number(value)})")
_ONCE = Dialect(_SHARED | _LIBRARY_FUNCTIONS, _number)

_HEAD = '''"""An elementwise kernel, generated from

{formulas}
"""

import math

import numpy as np
from numba import prange

from netspec_numba.kernels.functions import erf, exp, log, maximum, minimum, tanh
from netspec_numba.kernels.loops import load, parallel, store


@parallel
def elementwise({sizes}, {arguments}):
'''
_SIZES = "total, parts"
_SIZES_OF_SLICES = "samples, total, parts, strides"


@dataclass(frozen=True, slots=True)
class Roles:
    """Which argument of the kernel serves which operand; two operands in the same storage are one argument.

    Were they two, LLVM would find that they overlap and take the loop that is not vectorised.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scalars: frozenset[int]
    """Positions of the inputs that are run-time scalars."""


def build_elementwise(request: Request) -> Launch:
    """The launch of any op whose attrs has ``expressions``; an output may be stored over any input.

    One with an epilogue is a gate that sums what it lets pass, and has a kernel written by hand.
    Raises ValueError where operands differ in shape or layout, or an element type has no numpy counterpart.
    """
    if request.epilogue is not None:
        return build_gate(request)
    expressions = request.attrs.expressions(len(request.inputs))
    pattern = request.outputs[0].type
    scalars = frozenset(at for at, operand in enumerate(request.inputs) if _is_scalar(operand.type))
    _check(request, pattern, scalars, len(expressions))
    arrays, roles = _roles(request.inputs, request.outputs, scalars)
    operands = (*request.inputs, *request.outputs)
    slices = any(operand.type.pitch is not None for operand in operands)
    run = module("netspec_elementwise", source(expressions, roles, slices)).elementwise
    stored, batched = pattern.stored, pattern.batched
    if slices:
        by_place = dict(zip((*roles.inputs, *roles.outputs), operands, strict=True))
        strides = tuple(by_place[at].type.sample_stride for at in range(len(arrays)))
        pieces = -(-stored // NUMBERS_PER_PART)

        @Calls
        def launch_slices(n: int) -> Iterator[Call]:
            yield run, (n, stored, pieces, strides, *arrays)

        return launch_slices

    @Calls
    def launch(n: int) -> Iterator[Call]:
        total = n * stored if batched else stored
        yield run, (total, -(-total // NUMBERS_PER_PART), *arrays)

    return launch


def source(expressions: Sequence[Expression], roles: Roles, slices: bool = False) -> str:
    """Text of the module with the kernel; the same for the same expressions and roles.

    With ``slices`` the samples of each argument are as far apart as the kernel is told, and it is given their number.
    """
    names = {f"x{at}": f"x{at}" for at in range(len(roles.inputs))}
    scalars = frozenset(f"x{at}" for at in roles.scalars)
    ahead = list(dict.fromkeys(part for each in expressions for part in _ahead(each, scalars)))
    held = {part: Variable(f"s{at}") for at, part in enumerate(ahead)}
    used = variables(expressions)
    count = max((*roles.inputs, *roles.outputs)) + 1
    formulas = "\n".join(f"    y{at} = {each}" for at, each in enumerate(expressions))
    arguments, sizes = ", ".join(f"a{at}" for at in range(count)), _SIZES_OF_SLICES if slices else _SIZES
    lines = [_HEAD.format(formulas=formulas, sizes=sizes, arguments=arguments)]
    for at in sorted(roles.scalars):
        if f"x{at}" in used:
            lines.append(f"    x{at} = np.float64(a{roles.inputs[at]}[0])\n")
    once = render(ahead, names, _ONCE, temporary="h")
    lines += [f"    {name} = {text}\n" for name, text in once.assignments]
    for part, result in zip(ahead, once.results, strict=True):
        condition = isinstance(part, Apply) and part.operation in COMPARISONS
        lines.append(f"    {held[part]} = {result}\n" if condition else f"    {held[part]} = np.float32({result})\n")
    if slices:
        lines.append("    for task in prange(samples * parts):\n        sample, part = task // parts, task % parts\n")
        lines += [f"        b{at} = sample * strides[{at}]\n" for at in range(count)]
    else:
        lines.append("    for part in prange(parts):\n")
    lines.append("        for i in range(part * total // parts, (part + 1) * total // parts):\n")
    place = [f"b{at} + i" if slices else "i" for at in range(count)]
    inner = [f"x{at} = np.float32(load(a{argument}, {place[argument]}))" for at, argument in enumerate(roles.inputs)
             if f"x{at}" in used and at not in roles.scalars]  # fmt: skip
    replaced = [substitute(each, held) for each in expressions]
    each = render(replaced, names | {str(name): str(name) for name in held.values()}, _PER_ELEMENT)
    inner += [f"{name} = {text}" for name, text in each.assignments]
    inner += [
        f"store(a{argument}, {place[argument]}, {name})"
        for argument, name in zip(roles.outputs, each.results, strict=True)
    ]
    return "".join(lines) + "".join(f"            {line}\n" for line in inner)


def _ahead(expression: Expression, scalars: frozenset[str]) -> Iterator[Expression]:
    """The largest parts of an expression that read no tensor."""
    if isinstance(expression, Variable):
        if expression.name in scalars:
            yield expression
    elif isinstance(expression, Apply):
        if variables([expression]) <= scalars:
            yield expression
        else:
            for operand in expression.operands:
                yield from _ahead(operand, scalars)


def _is_scalar(tensor: TensorType) -> bool:
    return tensor.shape == () and not tensor.batched


def _roles(inputs: Sequence[Operand], outputs: Sequence[Operand], scalars: frozenset[int]) -> tuple[list[Array], Roles]:
    """The kernel's array arguments, each storage once, and what they serve as."""
    arrays: list[Array] = []
    places: dict[tuple[int, str], int] = {}

    def place(operand: Operand) -> int:
        key = operand.array.ctypes.data, operand.array.dtype.str
        if key not in places:
            places[key] = len(arrays)
            arrays.append(operand.array)
        return places[key]

    return arrays, Roles(tuple(map(place, inputs)), tuple(map(place, outputs)), scalars)


def _check(request: Request, pattern: TensorType, scalars: frozenset[int], count: int) -> None:
    if count != len(request.outputs):
        raise ValueError(f"{count} expressions for {len(request.outputs)} outputs")
    tensors = [operand.type for at, operand in enumerate(request.inputs) if at not in scalars]
    for tensor in (*tensors, *(operand.type for operand in request.outputs)):
        if (tensor.shape, tensor.block, tensor.batched) != (pattern.shape, pattern.block, pattern.batched):
            raise ValueError(f"an elementwise op takes one shape and layout, not {tensor} and {pattern}")
        if tensor.dtype == "bfloat16":
            raise ValueError("numba has no bfloat16; convert to float32 first")
