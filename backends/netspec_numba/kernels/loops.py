"""What all these kernels share: how they are compiled, how they touch memory, how they walk a tensor.

Kernels take flat arrays and whole numbers, so that one compilation serves every shape, and compute on rows of
LANES numbers (:mod:`netspec_numba.kernels.lanes`). Work is cut into parts
whose number follows from shapes alone: results are the same bits whatever the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from netspec.core.types import TensorType
from netspec_numba.contract import Array
from netspec_numba.host import LANES

ROWS = 256
"""Rows of LANES float32 in one part: 16 KiB at most, so that a second look at them is served by the first cache."""

AHEAD = 64 * LANES
"""How many numbers ahead of a row memory is asked for: where a loop computes much, the processor sees less far."""

# Fusion is off: it merges neighbouring loops without seeing that one reads what the other stores. Division is
# NumPy's (no exception), and fastmath stays off, so that NaN and infinity come out as NumPy has them.
parallel = njit(cache=True, parallel={"fusion": False}, nogil=True, error_model="numpy")
serial = njit(cache=True, nogil=True, error_model="numpy")
# Part of a kernel: always inlined, since a loop with a call in it is not vectorised.
device = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """``array[index]`` for an index known to be at least 0.

    Plain indexing would compare it with zero to count from the end, which keeps LLVM from vectorising.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        return context.unpack_value(builder, array.dtype, builder.gep(data, [arguments[1]], inbounds=True))

    return array.dtype(array, types.int64), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """``array[index] = value``, converted to the array's element type, for an index at least 0 (see ``load``)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        converted = context.cast(builder, arguments[2], signature.args[2], array.dtype)
        context.pack_value(builder, array.dtype, converted, builder.gep(data, [arguments[1]], inbounds=True))
        return context.get_dummy_value()

    return types.void(array, types.int64, value), generate


class Walk(NamedTuple):
    """How to pass over a batched tensor in rows of LANES neighbouring channels, in either layout.

    The row of channels ``block*LANES`` onwards at a position of a sample begins at
    ``sample*sample_stride + block*block_stride + position*row_stride``. A row may be read in full: what lies
    past the last channel is padding or belongs to others, and is dropped. ``writable`` channels may be written.
    What is written may be a slice of a larger tensor while what is read is none, or the other way round: its samples
    are ``result_stride`` apart.
    """

    channels: int
    writable: int
    positions: int
    blocks: int
    sample_stride: int
    block_stride: int
    row_stride: int
    samples_per_part: int
    parts_per_sample: int
    result_stride: int


def walk(tensor: TensorType, result: TensorType | None = None) -> Walk:
    """The walk over a tensor that is plain or blocked by LANES; raises ValueError at any other block.

    ``result``, a tensor of its shape and layout, is written on the way; else the tensor itself.
    """
    check_layout(tensor)
    positions, blocks = tensor.positions, -(-tensor.channels // LANES)
    return Walk(
        channels=tensor.channels,
        writable=tensor.channels if tensor.block is None else blocks * LANES,
        positions=positions,
        blocks=blocks,
        sample_stride=tensor.sample_stride,
        block_stride=LANES if tensor.block is None else positions * LANES,
        row_stride=tensor.lanes,
        samples_per_part=max(1, ROWS // max(1, positions)),
        parts_per_sample=max(1, -(-positions // ROWS)),
        result_stride=(result or tensor).sample_stride,
    )


def check_layout(*tensors: TensorType) -> None:
    """Raise ValueError unless every tensor is plain or blocked by LANES."""
    for tensor in tensors:
        if tensor.block not in (None, LANES):
            raise ValueError(f"{tensor} is blocked by {tensor.block}; these kernels work on blocks of {LANES}")


def same_layout(*tensors: TensorType) -> None:
    """Raise ValueError unless all tensors have one shape and one layout these kernels know."""
    check_layout(*tensors)
    if len({(tensor.shape, tensor.block) for tensor in tensors}) != 1:
        raise ValueError(f"one shape and layout expected, not {', '.join(map(str, tensors))}")


def parts(over: Walk, n: int) -> int:
    """Parts in which ``n`` samples are passed over; each has at least one row of every channel block."""
    return -(-n // over.samples_per_part) * over.parts_per_sample


def splits(batch: int, planes: int, length: int, tasks: int = 16) -> int:
    """Pieces into which ``length`` steps are cut so that ``batch * planes`` units of work become ``tasks`` or so."""
    return max(1, min(length, -(-tasks // max(1, batch * planes))))


def padded(over: Walk) -> int:
    """Numbers in a vector that has one for every lane of every channel block."""
    return over.blocks * LANES


def per_lane(values: Array | tuple[float, ...] | float, over: Walk) -> Array:
    """A float32 vector with one number for every lane, from one per channel or one for all; padding is 0."""
    vector = np.zeros(padded(over), np.float32)
    vector[: over.channels] = values
    return vector


@device
def span(over: Walk, n: int, part: int) -> tuple[int, int, int, int]:
    """First and end sample, first and end position of a part."""
    first_sample = part // over.parts_per_sample * over.samples_per_part
    piece = part % over.parts_per_sample
    return (
        first_sample,
        min(n, first_sample + over.samples_per_part),
        piece * over.positions // over.parts_per_sample,
        (piece + 1) * over.positions // over.parts_per_sample,
    )


@device
def rows_in(over: Walk, n: int, part: int) -> int:
    """Number of rows in a part."""
    first_sample, end_sample, first, end = span(over, n, part)
    return (end_sample - first_sample) * (end - first)
