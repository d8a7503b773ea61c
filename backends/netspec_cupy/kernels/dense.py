"""Products of matrices, by ordinary or tensor cores, and dense layers: three such products."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netspec.plan import DIRECT
from netspec_cupy.contract import THREADS, Grid, Launch, Request, Types, kernel
from netspec_cupy.geometry import Finish


@dataclass(frozen=True, slots=True)
class Tile:
    """How the kernels of an algorithm make a product: the end of their names, and what one block makes with what."""

    suffix: str
    rows: int
    columns: int
    threads: int
    shared: int = 0


STAGE_NUMBERS = 32 * (128 + 8 + 64 + 8)
"""float32 of both factors in one stage of tensor_cores.cuh, however they lie."""
SHARED = 3 * STAGE_NUMBERS * 4
TILES = {
    DIRECT: Tile("", 64, 64, THREADS),
    "tf32": Tile("_tf32", 128, 64, 128, SHARED),
    "bfloat16": Tile("_bf16", 128, 64, 128, SHARED),
}
"""By algorithm, as in multiply.cuh and tensor_cores.cuh."""


def product(
    request: Request, name: str, size: Callable[[int], tuple[int, int]], planes: int, *arguments: Any
) -> Launch:
    """The launch of a kernel that makes ``planes`` products of ``size(n)``: rows and columns, for n samples."""
    tile = TILES[request.algorithm]

    def grid(n: int) -> Grid:
        rows, columns = size(n)
        return (max(1, -(-rows // tile.rows)), max(1, -(-columns // tile.columns)), planes)

    return request.launch(name + tile.suffix, grid, *arguments, threads=tile.threads, shared=tile.shared)


def finish(request: Request) -> Finish:
    """The step's epilogue, as kernels take it."""
    if request.epilogue is None:
        return Finish(None, -math.inf, math.inf)
    residual = None if request.residual is None else request.residual.address
    return Finish(residual, request.epilogue.low, request.epilogue.high)


def always(attrs: Any, inputs: Types, outputs: Types) -> bool:
    """There is a kernel on tensor cores."""
    return True


@kernel("dense", epilogue=True, rounded=always)
def dense(request: Request) -> Launch:
    """x (N, I), weight (I, U), [bias (U)] -> y (N, U)."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    operands = x, weight, bias[0] if bias else None, y, request.live, inputs, units, finish(request)
    return product(request, "dense_forward", lambda n: (n, units), 1, *operands)


@kernel("dense.dx", rounded=always)
def dense_dx(request: Request) -> Launch:
    """dy (N, U), weight (I, U) -> dx (N, I)."""
    (dy, weight), (dx,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    sizes = request.live, inputs, units
    return product(request, "dense_input_gradient", lambda n: (n, inputs), 1, dy, weight, dx, *sizes)


@kernel("dense.dw", rounded=always)
def dense_dw(request: Request) -> Launch:
    """x (N, I), dy (N, U) -> dw (I, U)."""
    (x, dy), (dw,) = request.inputs, request.outputs
    inputs, units = dw.type.shape
    sizes = request.live, inputs, units
    return product(request, "dense_weight_gradient", lambda n: (inputs, units), 1, x, dy, dw, *sizes)
