"""The generator of elementwise kernels: from the scalar expressions of an op one loop over its numbers.

An operand is read number by number, or channel by channel where there is one number per channel, or once where it is a
run-time scalar. What depends on scalars alone is computed ahead of the loop, in float64: so a bias correction such as
``1 - beta**step`` keeps its digits. Inside the loop everything is float32.

Where sizes allow it a thread has four neighbouring numbers at a time, of each operand in one load: as many again are on
their way, and memory is waited for less.

Steps that work on tensors without a batch, such as updates, are one launch for all tensors that the same expressions
are applied to: a table tells each block where its piece lies.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from netspec.core.expression import INFIX, Apply, Dialect, Expression, Variable, render, substitute, variables
from netspec.core.types import TensorType
from netspec_cupy.contract import THREADS, Grid, Launch, Operand, Request, blocks, pointer
from netspec_cupy.sources import NOT_CONTRACTED, digest

PIECE = 4096
"""Numbers of one block's piece of a tensor without a batch."""
BLOCKS_PER_PROCESSOR = 8

_SHARED = {operation: f"{{0}} {symbol} {{1}}" for operation, (symbol, _) in INFIX.items()} | {
    "negative": "-{0}",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "where": "{0} ? {1} : {2}",
}
_SINGLE = {name: f"{name}f({{0}})" for name in ("exp", "log", "sqrt", "tanh", "erf", "rint")} | {"abs": "fabsf({0})"}
_DOUBLE = {name: f"{name}({{0}})" for name in ("exp", "log", "sqrt", "tanh", "erf", "rint")} | {"abs": "fabs({0})"}


def _number(value: float, suffix: str) -> str:
    if math.isnan(value):
        return "NOT_A_NUMBER"
    if math.isinf(value):
        return "INFINITE" if value > 0 else "-INFINITE"
    return f"{value!r}{suffix}"


_EACH = Dialect(_SHARED | _SINGLE, lambda value: _number(value, "f"))
_ONCE = Dialect(_SHARED | _DOUBLE, lambda value: _number(value, ""))

FOUR = 4
_FOURS = {"float": "Four", "bf16": "HalfFour"}
"""Four numbers of a type, in C."""
_C_TYPES = {"float32": "float", "bfloat16": "bf16", "int32": "int", "uint8": "u8", "bool": "u8"}

Kind = Literal["each", "channel", "scalar"]


@dataclass(frozen=True, slots=True)
class Role:
    """How an operand is read or written, and its element type in C."""

    kind: Kind
    c_type: str


@dataclass(frozen=True, slots=True)
class Loop:
    """An elementwise kernel to be: one expression per output, over ``x0``, ``x1``, ... for the inputs."""

    expressions: tuple[Expression, ...]
    inputs: tuple[Role, ...]
    outputs: tuple[Role, ...]
    by_four: bool = False
    """Whether a thread has four neighbouring numbers at a time, for which all sizes are multiples of four."""


def roles(inputs: Sequence[Operand], outputs: Sequence[Operand]) -> tuple[tuple[Role, ...], tuple[Role, ...]]:
    """What the operands are to the first output; a ValueError where one has neither its shape nor a simpler one."""
    pattern = outputs[0].type

    def role(type: TensorType) -> Role:
        c_type = _C_TYPES[type.dtype]
        if (type.shape, type.batched) == (pattern.shape, pattern.batched):
            return Role("each", c_type)
        if type.batched or type.shape not in ((), (pattern.channels,)):
            raise ValueError(f"{type} fits neither the numbers nor the channels of {pattern}")
        return Role("channel" if type.shape else "scalar", c_type)

    return tuple(role(each.type) for each in inputs), tuple(role(each.type) for each in outputs)


def elementwise(
    request: Request, expressions: Sequence[Expression], inputs: Sequence[Operand], outputs: Sequence[Operand]
) -> Launch:
    """The launch that computes ``outputs`` by ``expressions`` over the inputs; an output may lie over any input."""
    pattern = outputs[0].type
    own = roles(inputs, outputs)
    by_four = _by_four((*inputs, *outputs), (*own[0], *own[1]), pattern)
    loop = Loop(tuple(expressions), *own, by_four)
    name, text = source(loop)
    samples = request.live if pattern.batched else 1
    most = request.device.processors * BLOCKS_PER_PROCESSOR

    def grid(n: int) -> Grid:
        numbers = pattern.elements * (n if pattern.batched else 1)
        return (min(blocks(numbers // FOUR if by_four else numbers), most), 1, 1)

    sizes = samples, ctypes.c_longlong(pattern.elements), pattern.channels
    return request.launch(name, grid, *inputs, *outputs, *sizes, source=text)


def _by_four(operands: Sequence[Operand], roles: Sequence[Role], pattern: TensorType) -> bool:
    """Whether four neighbours can be read and written at a time: sizes are multiples, and addresses of 16 bytes."""
    long = [(operand, role) for operand, role in zip(operands, roles, strict=True) if role.kind != "scalar"]
    return (
        pattern.elements % FOUR == 0
        and all(role.kind == "each" or pattern.channels % FOUR == 0 for _, role in long)
        and all(role.c_type in _FOURS and operand.address % 16 == 0 for operand, role in long)
    )


def build_elementwise(request: Request) -> Launch:
    """The launch of any op that states ``expressions``."""
    return elementwise(request, request.attrs.expressions(len(request.inputs)), request.inputs, request.outputs)


def build_together(requests: Sequence[Request]) -> Launch:
    """One launch for requests of equal ops on tensors without a batch, whatever their sizes."""
    first = requests[0]
    loop = Loop(tuple(first.attrs.expressions(len(first.inputs))), *roles(first.inputs, first.outputs))
    name, text = source(loop)
    places, pieces = [], []
    for at, request in enumerate(requests):
        places.append([operand.address for operand in (*request.inputs, *request.outputs)])
        size = request.outputs[0].type.elements
        pieces += [(at, start, min(start + PIECE, size)) for start in range(0, size, PIECE)]
    tables = first.table(np.array(places, np.uint64)), first.table(np.array(pieces, np.int64))
    return first.launch(f"{name}_together", lambda n: (len(pieces), 1, 1), *map(pointer, tables), source=text)


def source(loop: Loop) -> tuple[str, str]:
    """Name and text of the module with the kernel, alone and for many tensors; the same for the same loop."""
    count = len(loop.inputs) + len(loop.outputs)
    declared = [
        *(f"const {role.c_type}* a{at}" for at, role in enumerate(loop.inputs)),
        *(f"{role.c_type}* a{len(loop.inputs) + at}" for at, role in enumerate(loop.outputs)),
    ]
    ahead, body = _body(loop)
    formulas = "\n".join(f"// y{at} = {each}" for at, each in enumerate(loop.expressions))
    name = "elementwise_" + digest(str(loop), *ahead, *body)
    inner = "".join(f"    {line}\n" for line in body)
    before = "".join(f"  {line}\n" for line in ahead)
    share, registers = (" / 4", 128) if loop.by_four else ("", 64)
    alone = (
        f"KERNEL({name}, {THREADS}, {registers})\n"
        f"({', '.join(declared)}, int samples, i64 each, int channels) {{\n{before}"
        f"  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < samples * each{share};"
        f" i += (i64)gridDim.x * blockDim.x) {{\n{_four_times(loop, inner) if loop.by_four else _once(loop, inner)}"
        f"  }}\n}}\nEXPORT({name})\n"
    )
    text = f'{NOT_CONTRACTED}\n#include "device.cuh"\n\n{formulas}\n{alone}'
    if not loop.by_four and all(role.kind != "channel" for role in loop.inputs):
        taken = "".join(f"  {line} = ({line.rsplit(' ', 1)[0]})own[{at}];\n" for at, line in enumerate(declared))
        text += (
            f"\nKERNEL({name}_together, {THREADS}, 48)(const u64* addresses, const i64* pieces) {{\n"
            f"  const i64* piece = pieces + (i64)blockIdx.x * 3;\n  const u64* own = addresses + piece[0] * {count};\n"
            f"{taken}{before}  for (i64 i = piece[1] + threadIdx.x; i < piece[2]; i += blockDim.x) {{\n"
            f"{inner}  }}\n}}\n"
            f"EXPORT({name}_together)\n"
        )
    return name, text


def _once(loop: Loop, inner: str) -> str:
    """What is done for a number, with its channel where some operand has one number per channel."""
    channelled = any(role.kind == "channel" for role in loop.inputs)
    return ("    const int c = (int)(i % channels);\n" if channelled else "") + inner


def _four_times(loop: Loop, inner: str) -> str:
    """What is done for four neighbours: they are read as one, worked out one by one, and written as one."""
    count, used = len(loop.inputs), variables(loop.expressions)
    where = {"each": "i * 4", "channel": "i * 4 % channels"}
    read = "".join(
        f"    const {_FOURS[role.c_type]} f{at} = load_four(a{at} + {where[role.kind]});\n"
        for at, role in enumerate(loop.inputs)
        if role.kind != "scalar" and f"x{at}" in used
    )
    made = [(f"f{at}", f"a{at}", _FOURS[role.c_type]) for at, role in enumerate(loop.outputs, count)]
    read += "".join(f"    {kind} {four};\n" for four, _, kind in made)
    written = "".join(f"    store_four({to} + i * 4, {four});\n" for four, to, _ in made)
    indented = "".join(f"  {line}\n" for line in inner.splitlines())
    return f"{read}#pragma unroll\n    for (int n = 0; n < 4; n++) {{\n{indented}    }}\n{written}"


def _body(loop: Loop) -> tuple[list[str], list[str]]:
    """Lines ahead of the loop, and lines within."""
    names = {f"x{at}": f"x{at}" for at in range(len(loop.inputs))}
    scalars = frozenset(f"x{at}" for at, role in enumerate(loop.inputs) if role.kind == "scalar")
    parts = list(dict.fromkeys(part for each in loop.expressions for part in _ahead(each, scalars)))
    held = {part: Variable(f"s{at}") for at, part in enumerate(parts)}
    used = variables(loop.expressions)
    ahead = [
        f"const double x{at} = a{at}[0];"
        for at, role in enumerate(loop.inputs)
        if role.kind == "scalar" and f"x{at}" in used
    ]
    once = render(parts, names, _ONCE, temporary="h")
    ahead += [f"const auto {name} = {text};" for name, text in once.assignments]
    ahead += [f"const float {held[part]} = (float)({name});" for part, name in zip(parts, once.results, strict=True)]
    index = {"each": "i", "channel": "c"}

    def place(at: int, role: Role) -> str:
        return f"f{at}.at[n]" if loop.by_four else f"a{at}[{index[role.kind]}]"

    body = [
        f"const float x{at} = (float){place(at, role)};"
        for at, role in enumerate(loop.inputs)
        if role.kind != "scalar" and f"x{at}" in used
    ]
    replaced = [substitute(each, held) for each in loop.expressions]
    made = render(replaced, names | {str(name): str(name) for name in held.values()}, _EACH)
    body += [f"const auto {name} = {text};" for name, text in made.assignments]
    for at, (role, name) in enumerate(zip(loop.outputs, made.results, strict=True), len(loop.inputs)):
        body.append(f"{place(at, role)} = ({role.c_type}){name};")
    return ahead, body


def _ahead(expression: Expression, scalars: frozenset[str]) -> Iterator[Expression]:
    """The largest parts of an expression that read no tensor but scalars."""
    if isinstance(expression, Variable):
        if expression.name in scalars:
            yield expression
    elif isinstance(expression, Apply):
        if variables([expression]) <= scalars and variables([expression]):
            yield expression
        else:
            for operand in expression.operands:
                yield from _ahead(operand, scalars)
