"""What flows along an edge of the graph: shape, element type and layout of a tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

DType = Literal["float32", "bfloat16", "int32", "uint8", "int8", "bool"]

ITEM_BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "int32": 4, "uint8": 1, "int8": 1, "bool": 1}


LARGEST_WEIGHT = 127
"""The largest byte that stands for a weight; -128 is left out, so that the range is symmetric."""


class Quantized(NamedTuple):
    """Real numbers held as bytes: the byte q stands for ``scale·(q - zero)`` (Jacob et al. 2018, 2.1)."""

    scale: float
    zero: int = 0

    def __str__(self) -> str:
        return f"{self.scale:.4g}" + (f"-{self.zero}" if self.zero else "")


@dataclass(frozen=True, slots=True)
class TensorType:
    """Type of a value.

    ``shape`` is channels-last and never holds the batch: ``(H, W, C)`` for an image, ``(C,)`` for a
    feature vector, ``()`` for a scalar. A ``batched`` value has one such tensor per sample in front of it;
    parameters, statistics and scalars are not batched.

    ``block`` is the storage layout. ``None`` is plain row-major channels-last. A number ``b`` splits the
    channels into ``ceil(C / b)`` blocks and stores ``(block, *spatial, lane)``; the lanes past the last
    channel are padding, and no kernel lets them influence a real one (they may hold anything).

    ``quantized`` says of bytes that they stand for real numbers, and for which.

    ``pitch`` is how many numbers lie from one sample to the next where the tensor is a slice of the channels of a
    larger one, in whose storage it is; ``None`` where its samples lie end to end.
    """

    shape: tuple[int, ...]
    dtype: DType = "float32"
    batched: bool = True
    block: int | None = None
    quantized: Quantized | None = None
    pitch: int | None = None

    @property
    def spatial(self) -> tuple[int, ...]:
        """Lengths of the axes before the channels."""
        return self.shape[:-1]

    @property
    def channels(self) -> int:
        """Length of the last axis; 1 for a scalar."""
        return self.shape[-1] if self.shape else 1

    @property
    def positions(self) -> int:
        """Number of pixels (spatial positions) in one sample."""
        return math.prod(self.shape[:-1])

    @property
    def elements(self) -> int:
        """Logical numbers in one sample."""
        return math.prod(self.shape)

    @property
    def lanes(self) -> int:
        """Numbers from one position to the next in storage: the block, or all channels when plain."""
        return self.block or self.channels

    @property
    def blocks(self) -> int:
        """Channel blocks of one sample; a plain value is one block as wide as its channels."""
        return -(-self.channels // self.lanes) if self.channels else 0

    @property
    def stored(self) -> int:
        """Numbers one sample takes in storage, padding lanes included."""
        return self.blocks * self.positions * self.lanes

    @property
    def sample_stride(self) -> int:
        """Numbers from one sample to the next in storage."""
        return self.stored if self.pitch is None else self.pitch

    def bytes(self, batch: int) -> int:
        """Bytes in storage for ``batch`` samples (once only when not batched), with what lies between them."""
        numbers = (batch - 1) * self.sample_stride + self.stored if self.batched else self.stored
        return numbers * ITEM_BYTES[self.dtype]

    def alone(self) -> TensorType:
        """The same type in storage of its own."""
        return self if self.pitch is None else replace(self, pitch=None)

    def plain(self) -> TensorType:
        """The same type in the plain layout, in storage of its own."""
        return replace(self, block=None, pitch=None)

    def widened(self) -> TensorType:
        """The same type with float32 in place of bfloat16, which is a way of storing float32 in fewer bits."""
        return replace(self, dtype="float32") if self.dtype == "bfloat16" else self

    def real(self) -> TensorType:
        """The type of the same tensor as float32 numbers in the plain layout."""
        return replace(self.plain(), dtype="float32", quantized=None)

    def __str__(self) -> str:
        text = "x".join(map(str, self.shape)) or "scalar"
        if self.dtype != "float32":
            text += f":{self.dtype}"
        if self.quantized is not None:
            text += f"*{self.quantized}"
        return text + (f"/{self.block}" if self.block else "")


def scalar(dtype: DType = "float32") -> TensorType:
    """Type of a run-time scalar such as the loss or the learning rate."""
    return TensorType((), dtype, batched=False)
