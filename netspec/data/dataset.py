"""What a reader yields: images with their labels, in three parts that never mix."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Part:
    """Samples of one part: ``images`` (N, H, W, C) of uint8 or float32, ``labels`` (N, ...) of int32 or float32."""

    images: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> Part:
        """A copy of these samples, in this order."""
        return Part(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set. A part that does not exist is empty: ``len(dataset.validation) == 0``."""

    name: str
    class_names: tuple[str, ...]
    train: Part
    validation: Part
    test: Part

    def part(self, name: PartName) -> Part:
        """The part of that name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every image."""
        return tuple(self.train.images.shape[1:])

    def sha256(self) -> str:
        """Hash of all numbers of all parts, with their shapes and types."""
        digest = hashlib.sha256()
        for name in PARTS:
            for array in (self.part(name).images, self.part(name).labels):
                digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader may know.

    ``input_shape`` is (H, W, C) of the network's input; ``validation`` is the share of the training part that is kept
    aside, picked by ``seed``. ``spec_folder`` is where a relative path in the spec begins.
    """

    data_dir: Path | None
    spec_folder: Path
    input_shape: tuple[int, ...]
    validation: float
    seed: int


Reader = Callable[[Any, ReadContext], Dataset]
"""``load(source, context)`` of a reader module; ``source`` is the declared source's instance."""
