"""Changes of layout. The logical order of a flattened tensor is that of its plain storage."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.types import TensorType
from netspec_numba.contract import Launch, Operand, Request, kernel
from netspec_numba.kernels.copying import copy_along_axis, copy_channels


@kernel("layout.convert")
def convert(request: Request) -> Launch:
    """x -> the same tensor, plain or blocked."""
    (x,), (y,) = request.inputs, request.outputs
    if x.type.shape != y.type.shape:
        raise ValueError(f"a change of layout keeps the shape: {x.type} and {y.type}")
    return _copy(x, y, request.batch)


@kernel("flatten")
def flatten(request: Request) -> Launch:
    """x in any layout -> (F,), the spatial axes before the channels."""
    (x,), (y,) = request.inputs, request.outputs
    return _copy(x, Operand(_unflattened(y.type, x.type), y.array), request.batch)


@kernel("flatten.dx")
def flatten_dx(request: Request) -> Launch:
    """dy (F,) -> dx in any layout."""
    (dy,), (dx,) = request.inputs, request.outputs
    return _copy(Operand(_unflattened(dy.type, dx.type), dy.array), dx, request.batch)


def _unflattened(flat: TensorType, original: TensorType) -> TensorType:
    """The type of a flat vector seen as the tensor it came from; raises ValueError where that is not its storage."""
    if flat.block is not None or flat.elements != original.elements:
        raise ValueError(f"{flat} is not {original} flattened and plain")
    return replace(original, block=None)


def _copy(source: Operand, target: Operand, batch: int) -> Launch:
    if source.type.block == target.type.block and source.type.shape:
        return copy_along_axis(_as_vector(source), 0, _as_vector(target), 0, source.type.stored, 0, batch)
    return copy_channels(source, 0, target, 0, source.type.channels, batch)


def _as_vector(operand: Operand) -> Operand:
    """The storage of each sample as one axis of single numbers."""
    return Operand(replace(operand.type, shape=(operand.type.stored, 1), block=None), operand.array)
