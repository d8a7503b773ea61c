"""Convolutions and dense layers of bytes: which kernel multiplies, and what becomes of its sums, which are exact."""

from __future__ import annotations

from netspec.core.declare import declaration_of
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import Launch, Operand, Request, blocks, kernel
from netspec_cupy.geometry import ByteEnding, Convolution, Rounding, window
from netspec_cupy.kernels.byte_layers import held, rounding

NARROW = 8
"""Filters of a group up to which a tile of a product would be nearly empty."""
COLUMNS = 64
"""Columns of a tile, as in byte_convolution.cuh; its rows follow from the way."""
TILE_ROWS = {"byte_convolution": 64, "byte_convolution_tensor": 128}
OLDEST_WITH_FRAGMENTS = 80
"""Compute capability from which tensor cores take products of bytes in fragments of 16 x 8 x 32."""


@kernel("conv.int8")
def conv(request: Request) -> Launch:
    """x (N, cells, C), weight int8 (taps, C/groups, K), bias int32 (K), factor (K), [residual] -> y (N, places, K)."""
    (x, weight, bias, factor, *residual), (y,), layer = request.inputs, request.outputs, request.attrs.layer
    geometry = WindowGeometry(*((),) * 6) if declaration_of(layer).name == "dense" else layer.geometry(x.type)
    groups = getattr(layer, "groups", 1)
    sizes = Convolution(window(geometry), x.type.channels, y.type.channels, groups)
    numbers = sizes, held(x.type).zero, _ending(request, residual[0] if residual else None)
    columns, positions = y.type.channels // groups, y.type.positions
    operands = x, weight, bias, factor, y
    if groups > 1 and columns <= NARROW:
        return request.per_sample("byte_convolution_of_groups", y.type.elements, *operands, *numbers)
    fragments = request.device.capability >= OLDEST_WITH_FRAGMENTS
    name = "byte_convolution_tensor" if fragments else "byte_convolution"
    rows = TILE_ROWS[name]
    return request.launch(
        name,
        lambda n: (blocks(n * positions, rows), blocks(columns, COLUMNS), groups),
        *operands,
        request.live,
        *numbers,
    )


def _ending(request: Request, residual: Operand | None) -> ByteEnding:
    attrs = request.attrs
    if attrs.y is None:
        return ByteEnding(Rounding(), None, 0.0, 0, 0)
    limits = rounding(attrs.y, attrs.low, attrs.high)
    if residual is None:
        return ByteEnding(limits, None, 0.0, 0, 1)
    added = held(residual.type)
    return ByteEnding(limits, residual.address, added.scale / attrs.y.scale, added.zero, 1)
