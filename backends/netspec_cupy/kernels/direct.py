"""Layers that are worked out number by number: weights at each place, and convolutions of small groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.types import TensorType
from netspec_cupy.contract import Launch, Operand, Request, Types, in_turn, kernel
from netspec_cupy.geometry import Convolution, window
from netspec_cupy.kernels.channels import Sums, Table
from netspec_cupy.kernels.dense import finish

NARROW = 8
"""Filters and channels of a group up to which a tile of a product would be nearly empty."""


def is_narrow(groups: int, one: TensorType, other: TensorType) -> bool:
    """Whether the groups of a convolution between these types are better worked out number by number."""
    return groups > 1 and max(one.channels, other.channels) // groups <= NARROW


def narrow_cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    """What convolutions of narrow groups take, in any direction: each number is read from memory for each product."""
    largest = max((*inputs, *outputs), key=lambda type: type.elements if type.batched else 0)
    return float(batch * largest.elements * 100)


def grouped(request: Request, x: Operand, rest: tuple[Any, ...], y: Operand, layer: Convolution) -> Launch:
    """x, (weight, bias) -> y."""
    return request.per_sample("grouped_forward", y.type.elements, x, *rest, y, layer, finish(request))


def grouped_input_gradient(request: Request, layer: Convolution) -> Launch:
    """dy, weight -> dx."""
    (dx,) = request.outputs
    return request.per_sample("grouped_input_gradient", dx.type.elements, *request.inputs, dx, layer)


def meetings(dy: TensorType, dw: TensorType, batch: int) -> Table:
    """A row for every sample and place, a column for every weight."""
    return Table(dy.positions, dw.elements, batch)


def meetings_scratch(dy: TensorType, dw: TensorType, batch: int) -> Mapping[str, int]:
    """The workspace of :func:`grouped_weight_gradient`."""
    return {"parts": meetings(dy, dw, batch).numbers(1)}


def grouped_weight_gradient(request: Request, layer: Convolution) -> Launch:
    """x, dy -> dw."""
    (x, dy), (dw,) = request.inputs, request.outputs
    sums = Sums(request, meetings(dy.type, dw.type, request.batch), 1)
    return in_turn(sums.chunk("sum_meetings", x, dy, more=(layer,)), sums.join(0, sums=dw))


def _layer(layer: Any, x: TensorType) -> Convolution:
    return Convolution(window(layer.geometry(x)), x.channels, layer.filters, layer.groups)


@kernel("locally_connected")
def locally_connected(request: Request) -> Launch:
    """x (N, cells, C), weight (places, taps, C/groups, K), [bias (places, K)] -> y (N, places, K)."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    operands = x, weight, bias[0] if bias else None, y, request.live, _layer(request.attrs, x.type)
    return request.per_number("local_forward", y.type.elements, *operands)


@kernel("locally_connected.dx")
def locally_connected_dx(request: Request) -> Launch:
    """dy, weight -> dx."""
    (dy, weight), (dx,) = request.inputs, request.outputs
    operands = dy, weight, dx, request.live, _layer(request.attrs.layer, dx.type)
    return request.per_number("local_input_gradient", dx.type.elements, *operands)


@kernel("locally_connected.dw")
def locally_connected_dw(request: Request) -> Launch:
    """x, dy -> dw."""
    (x, dy), (dw,) = request.inputs, request.outputs
    operands = x, dy, dw, request.live, _layer(request.attrs.layer, x.type)
    return request.per_number("local_weight_gradient", dw.type.elements, *operands, batched=False)
