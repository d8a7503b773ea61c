"""Convolutions with a 3x3 window and stride 1 by Winograd's algorithm, in tiles of 2x2 or 4x4 outputs (winograd.cuh).

Some samples at a time are spread into tiles, multiplied and gathered, so many that what lies in between stays in a
large GPU's second cache. When that is expected to be faster than plain products is reckoned in ``_cost``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.target import DIRECT
from netspec_cupy.contract import Grid, Launch, Operand, Request, Types, blocks, in_turn, kernel, pointer
from netspec_cupy.geometry import Channels, Tiled
from netspec_cupy.kernels.dense import BUSY, LAUNCH, TILES, WIDE, Tile, finish, multiply_adds, product

PRODUCTS = {"": TILES[DIRECT], "/wide": TILES[WIDE]}
"""How products in the other domain are made, by the end of an algorithm's name."""
TAPS = 3
SIDES = (2, 4)
"""Outputs along a side of a tile."""
TOGETHER = 2**23
"""Numbers in between that are worked on at a time: 32 MiB."""
TERMS_PER_PART = 256
"""Tiles that one part of a weight gradient adds up at a time, at least."""
MOVED = 12.0
"""Multiply-adds in whose time a number passes the second cache, on GPUs of the data centre."""


@dataclass(frozen=True, slots=True)
class Work:
    """How a convolution between two maps is cut: the tiles of the one that has ``outputs`` for them, and groups."""

    side: int
    tile: Tile
    """What the products are made by."""
    inputs: TensorType
    outputs: TensorType
    """Of the forward direction, or of the data gradient: dy and dx."""
    groups: int
    batch: int

    @property
    def places(self) -> int:
        """Numbers of a tile in the other domain."""
        return (self.side + TAPS - 1) ** 2

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        rows, columns = (-(-cells // self.side) for cells in self.outputs.spatial)
        return rows, columns

    @property
    def tiles(self) -> int:
        """Tiles of a sample."""
        rows, columns = self.grid
        return rows * columns

    @property
    def samples(self) -> int:
        """Samples that are worked on at a time."""
        one = self.places * self.tiles * (self.inputs.channels + self.outputs.channels)
        return max(1, min(self.batch, TOGETHER // one))

    @property
    def weights(self) -> int:
        """Weights of one tap."""
        return self.inputs.channels // self.groups * self.outputs.channels

    @property
    def parts(self) -> int:
        """Parts that the sums of a weight gradient are cut into, so that every processor has some."""
        rows, columns = self._channels
        made = self.places * self.groups * -(-rows // self.tile.rows) * -(-columns // self.tile.columns)
        return max(1, min(2 * BUSY // made, self.samples * self.tiles // TERMS_PER_PART))

    @property
    def _channels(self) -> tuple[int, int]:
        return self.inputs.channels // self.groups, self.outputs.channels // self.groups

    def _multiply_adds(self, sums: bool) -> float:
        """What the products of as many samples as are worked on at a time take."""
        (ins, outs), tiles = self._channels, self.samples * self.tiles
        if sums:
            planes = self.places * self.groups * self.parts
            return multiply_adds(self.tile, ins, outs, planes, -(-tiles // self.parts))
        return multiply_adds(self.tile, tiles, outs, self.places * self.groups, ins)

    def scratch(self, sums: bool) -> Mapping[str, int]:
        """The workspaces: numbers by name."""
        tiles = self.places * self.samples * self.tiles
        return {
            "tiles": tiles * self.inputs.channels,
            "products": tiles * self.outputs.channels,
            "weights": self.places * self.weights * (self.parts if sums else 1),
        }

    def cost(self, sums: bool) -> float:
        """What it takes: products in the other domain, what is moved there and back, and launches."""
        tiles, chunks = self.samples * self.tiles, -(-self.batch // self.samples)
        channels = self.inputs.channels + self.outputs.channels
        moved = chunks * 2 * self.places * tiles * channels + 2 * self.places * self.weights * self.parts
        return chunks * self._multiply_adds(sums) + MOVED * moved + LAUNCH * (3 * chunks + 1)


def _fits(geometry: WindowGeometry) -> bool:
    """Whether the window is 3x3, with strides and dilations of 1."""
    return geometry.size == (TAPS, TAPS) and {*geometry.stride, *geometry.dilation} == {1}


def _tiled(work: Work, map: TensorType, before: tuple[int, int]) -> Tiled:
    pair = ctypes.c_int * 2
    return Tiled(*work.grid, pair(*map.spatial), pair(*before), map.channels)


class _Chunks:
    """Launches for some samples at a time."""

    def __init__(self, request: Request, work: Work) -> None:
        self._request, self._work = request, work
        self._first, self._samples, self._tiles, self._more = (ctypes.c_int() for _ in range(4))
        self._channels = Channels(work.inputs.channels, work.outputs.channels, work.groups)
        self._spaces = {name: pointer(address) for name, address in request.scratch.items()}

    def input(self, x: Operand, before: tuple[int, int]) -> Launch:
        """x to the tiles over it."""
        return self._per_tile("input", x.type, before, x, self._spaces["tiles"])

    def gradient(self, dy: Operand) -> Launch:
        """dy to as many numbers as its tiles have in the other domain."""
        return self._per_tile("gradient", dy.type, (0, 0), dy, self._spaces["products"])

    def output(self, bias: Operand | None, y: Operand) -> Launch:
        """Products to y."""
        spaces = self._spaces["products"], bias
        return self._per_tile("output", y.type, (0, 0), *spaces, y, more=(finish(self._request),))

    def _per_tile(
        self, what: str, map: TensorType, before: tuple[int, int], *operands: Any, more: tuple[Any, ...] = ()
    ) -> Launch:
        """A thread for every channel of every tile of a map."""
        each, pair = self._work.tiles * map.channels, ctypes.c_int * 2
        tiled = Tiled(*self._work.grid, pair(*map.spatial), pair(*before), map.channels)

        def grid(n: int) -> Grid:
            return (blocks(n * each), 1, 1)

        name, sizes = f"winograd{self._work.side}_{what}", (self._first, self._samples, tiled)
        return self._request.launch(name, grid, *operands, *sizes, *more)

    def per_weight(self, what: str, *operands: Any) -> Launch:
        """A thread for each weight of a tap."""
        size, name = self._work.weights, f"winograd{self._work.side}_{what}"
        return self._request.per_number(name, size, *operands, batched=False)

    def products(self, turned: bool) -> Launch:
        """Tiles times weights, for each place of a tile."""
        work, name = self._work, "winograd_products_turned" if turned else "winograd_products"
        operands = (*(self._spaces[each] for each in ("tiles", "weights", "products")), self._tiles, self._channels)
        columns, planes = work.outputs.channels // work.groups, work.places * work.groups
        return product(self._request, name, lambda n: (n * work.tiles, columns), planes, *operands, tile=work.tile)

    def sums(self) -> Launch:
        """Tiles of x times those of dy, summed over tiles."""
        work = self._work
        spaces = (self._spaces[each] for each in ("tiles", "products", "weights"))
        sizes = self._tiles, work.places, work.parts, self._more, self._channels
        shape = work.inputs.channels // work.groups, work.outputs.channels // work.groups
        planes = work.places * work.groups * work.parts
        return product(self._request, "winograd_sums", lambda n: shape, planes, *spaces, *sizes, tile=work.tile)

    def one_by_one(self, *launches: Launch) -> Launch:
        """All launches for some samples, then for the next."""
        together = self._work.samples

        def launch(n: int) -> None:
            for first in range(0, n, together):
                count = min(together, n - first)
                self._first.value, self._samples.value, self._more.value = first, count, int(first > 0)
                self._tiles.value = count * self._work.tiles
                for each in launches:
                    each(count)

        return launch


def _convolve(request: Request, work: Work, before: tuple[int, int], turned: bool) -> Launch:
    """x, weight, [bias] -> y; or dy, weight -> dx, with weights that are turned about."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    chunks = _Chunks(request, work)
    spread = chunks.per_weight("weights", weight, pointer(request.scratch["weights"]), work.weights, int(turned))
    steps = chunks.input(x, before), chunks.products(turned), chunks.output(bias[0] if bias else None, y)
    return in_turn(spread, chunks.one_by_one(*steps))


def _correlate(request: Request, work: Work, before: tuple[int, int]) -> Launch:
    """x, dy -> dw."""
    (x, dy), (dw,) = request.inputs, request.outputs
    chunks = _Chunks(request, work)
    joined = chunks.per_weight("join", pointer(request.scratch["weights"]), dw, work.weights, work.parts)
    return in_turn(chunks.one_by_one(chunks.input(x, before), chunks.gradient(dy), chunks.sums()), joined)


def _register(name: str, side: int, tile: Tile) -> None:
    """Register the kernels of one size of tiles, whose products are made by one kind of kernels."""

    def forward(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[WindowGeometry, Work]:
        return attrs.geometry(inputs[0]), Work(side, tile, inputs[0], outputs[0], attrs.groups, batch)

    def backward(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[WindowGeometry, Work]:
        return attrs.geometry(outputs[0]), Work(side, tile, inputs[0], outputs[0], attrs.groups, batch)

    def weights(attrs: Any, inputs: Types, outputs: Types, batch: int) -> tuple[WindowGeometry, Work]:
        return attrs.geometry(inputs[0]), Work(side, tile, inputs[0], inputs[1], attrs.groups, batch)

    def types(request: Request) -> tuple[Any, Types, Types, int]:
        inputs, outputs = (tuple(each.type for each in operands) for operands in (request.inputs, request.outputs))
        return request.attrs, inputs, outputs, request.batch

    def facts(cut: Callable[..., tuple[WindowGeometry, Work]], sums: bool = False) -> dict[str, Any]:
        def cost(*asked: Any) -> float:
            window, work = cut(*asked)
            return work.cost(sums) if _fits(window) else inf

        return {"cost": cost, "scratch": lambda *asked: cut(*asked)[1].scratch(sums), "exact": False}

    @kernel("conv", name, epilogue=True, **facts(forward))
    def convolution(request: Request) -> Launch:
        window, work = forward(*types(request))
        return _convolve(request, work, (window.before[0], window.before[1]), turned=False)

    @kernel("conv.dx", name, **facts(backward))
    def data_gradient(request: Request) -> Launch:
        window, work = backward(*types(request))
        before = TAPS - 1 - window.before[0], TAPS - 1 - window.before[1]
        return _convolve(request, work, before, turned=True)

    @kernel("conv.dw", name, **facts(weights, sums=True))
    def weight_gradient(request: Request) -> Launch:
        window, work = weights(*types(request))
        return _correlate(request, work, (window.before[0], window.before[1]))


for _side in SIDES:
    for _ending, _tile in PRODUCTS.items():
        _register(f"winograd-{_side}{_ending}", _side, _tile)
