"""Products of matrices, by ordinary or tensor cores, and dense layers: three such products."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netspec.core.graph import Storage
from netspec.target import DIRECT, Precision
from netspec_cupy.contract import FLOAT32, THREADS, Builder, Cost, Grid, Launch, Operand, Request, Types, kernel
from netspec_cupy.geometry import Finish, Numbers


@dataclass(frozen=True, slots=True)
class Tile:
    """How the kernels of an algorithm make a product: the end of their names, and what one block makes with what."""

    suffix: str
    rows: int
    columns: int
    threads: int
    slowness: float
    """Times as long as multiply-adds of float32 would take that kept all cores of a GPU busy."""
    shared: int = 0
    precision: Precision = "float32"
    capability: int | None = None


WIDE = f"{DIRECT}/wide"
HOPPER = 90
"""The compute capability that has products of warpgroups."""
STAGE_NUMBERS = 32 * (128 + 8 + 64 + 8)
"""float32 of both factors in one stage of tensor_cores.cuh, however they lie."""
SHARED = 3 * STAGE_NUMBERS * 4
TILES = {
    DIRECT: Tile("", 64, 64, THREADS, 1.6),
    WIDE: Tile("_wide", 128, 128, THREADS, 1.1),
    "tf32": Tile("_tf32", 128, 64, 128, 0.3, SHARED, "tf32"),
    "bfloat16": Tile("_bf16", 128, 64, 128, 0.3, SHARED, "bfloat16"),
    "tf32/warpgroups": Tile("_wgmma_tf32", 128, 128, 256, 0.15, 3 * 256 * 128, "tf32", HOPPER),
    "bfloat16/warpgroups": Tile("_wgmma_bf16", 128, 128, 256, 0.15, 3 * 256 * 64, "bfloat16", HOPPER),
}
"""By algorithm, as in the header of each. Their slowness is reckoned, not measured."""
FACTORS = Storage("either", "either", factors=2)
"""Both factors of a product in bfloat16; it is stored as it has to be, as a residual is read."""
BUSY = 128
"""Blocks of a product below which processors of a large GPU have nothing to do."""
LAUNCH = 5e7
"""Multiply-adds in whose time a kernel begins and ends, in a recording."""

Sizes = Callable[[Any, Types, Types, int], tuple[int, int, int, int] | None]
"""(attrs, input types, output types, batch) -> rows, columns, planes and terms; None where it is no product."""


def products(op: str, sizes: Sizes, otherwise: Cost | None = None, **facts: Any) -> Callable[[Builder], Builder]:
    """Register the decorated builder as the kernel of ``op`` by every tile; ``otherwise`` costs what is no product."""

    def register(build: Builder) -> Builder:
        for name, tile in TILES.items():
            cost = _cost(tile, sizes, otherwise if name == DIRECT else None)
            storage = FACTORS if tile.precision == "bfloat16" else FLOAT32
            own = {"precision": tile.precision, "capability": tile.capability, "storage": storage}
            kernel(op, name, cost=cost, **own, **facts)(build)
        return build

    return register


def _cost(tile: Tile, sizes: Sizes, otherwise: Cost | None) -> Cost:
    def cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
        found = sizes(attrs, inputs, outputs, batch)
        if found is None:
            return math.inf if otherwise is None else otherwise(attrs, inputs, outputs, batch)
        return multiply_adds(tile, *found) + LAUNCH

    return cost


def multiply_adds(tile: Tile, rows: int, columns: int, planes: int, terms: int) -> float:
    """What so many products take, by tiles that may be partly empty, and on processors that may be."""
    blocks = -(-rows // tile.rows) * -(-columns // tile.columns) * planes
    return float(max(blocks, BUSY) * tile.rows * tile.columns * terms) * tile.slowness


def product(
    request: Request,
    name: str,
    size: Callable[[int], tuple[int, int]],
    planes: int,
    *arguments: Any,
    tile: Tile | None = None,
) -> Launch:
    """The launch of a kernel that makes ``planes`` products of ``size(n)``: rows and columns, for n samples.

    The tile is that of the step's algorithm where none is given.
    """
    tile = tile or TILES[request.algorithm]

    def grid(n: int) -> Grid:
        rows, columns = size(n)
        return (max(1, -(-rows // tile.rows)), max(1, -(-columns // tile.columns)), planes)

    return request.launch(name + tile.suffix, grid, *arguments, threads=tile.threads, shared=tile.shared)


def finish(request: Request) -> Finish:
    """The step's epilogue, as kernels take it."""
    if request.epilogue is None:
        return Finish(numbers(None), -math.inf, math.inf)
    return Finish(numbers(request.residual), request.epilogue.low, request.epilogue.high)


def numbers(operand: Operand | None) -> Numbers:
    """An operand for kernels that look how it is stored."""
    return Numbers() if operand is None else Numbers(operand.address, operand.type.dtype == "bfloat16")


def _forward(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[int, int, int, int]:
    terms, units = inputs[1].shape
    return batch, units, 1, terms


def _input_gradient(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[int, int, int, int]:
    columns, terms = inputs[1].shape
    return batch, columns, 1, terms


def _weight_gradient(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[int, int, int, int]:
    rows, columns = outputs[0].shape
    return rows, columns, 1, batch


@products("dense", _forward, epilogue=True)
def dense(request: Request) -> Launch:
    """x (N, I), weight (I, U), [bias (U)] -> y (N, U)."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    operands = x, weight, bias[0] if bias else None, numbers(y), request.live, inputs, units, finish(request)
    return product(request, "dense_forward", lambda n: (n, units), 1, *operands)


@products("dense.dx", _input_gradient)
def dense_dx(request: Request) -> Launch:
    """dy (N, U), weight (I, U) -> dx (N, I)."""
    (dy, weight), (dx,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    sizes = request.live, inputs, units
    return product(request, "dense_input_gradient", lambda n: (n, inputs), 1, dy, weight, numbers(dx), *sizes)


@products("dense.dw", _weight_gradient)
def dense_dw(request: Request) -> Launch:
    """x (N, I), dy (N, U) -> dw (I, U)."""
    (x, dy), (dw,) = request.inputs, request.outputs
    inputs, units = dw.type.shape
    sizes = request.live, inputs, units
    return product(request, "dense_weight_gradient", lambda n: (inputs, units), 1, x, dy, dw, *sizes)
