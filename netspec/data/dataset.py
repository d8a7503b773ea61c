"""What a reader yields: samples with named fields, in three parts that never mix."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from netspec.data.contents import Content

Array = np.ndarray[Any, np.dtype[Any]]
PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")

IMAGE = "image"
"""What the field of the images is called, unless a source says otherwise."""
LABEL = "label"
"""What the field of the class numbers is called, unless a source says otherwise."""
_QUEUED = 1024
"""Files that wait to be hashed at most."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Which field goes in at each input of the network, and which field each head learns."""

    inputs: Mapping[str, str]
    targets: Mapping[str, str]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are needed, each once."""
        return tuple(dict.fromkeys((*self.inputs.values(), *self.targets.values())))


LABELLED = Feed({"input": IMAGE}, {"main": LABEL})
"""One input of images, one head of labels."""


@dataclass(frozen=True, slots=True)
class Part:
    """Samples of one part, as fields by name, each (N, ...).

    A field of images is uint8 (N, H, W, C), one of class numbers int32 (N, ...), one of other numbers float32.
    """

    fields: Mapping[str, Array]
    feed: Feed = LABELLED

    def __len__(self) -> int:
        return len(next(iter(self.fields.values()), ()))

    def __getitem__(self, name: str) -> Array:
        return self.fields[name]

    @property
    def inputs(self) -> dict[str, Array]:
        """What goes in, by the input's name."""
        return {name: self.fields[source] for name, source in self.feed.inputs.items()}

    @property
    def targets(self) -> dict[str, Array]:
        """What is learnt, by the head's name."""
        return {name: self.fields[source] for name, source in self.feed.targets.items()}

    def take(self, indices: Array) -> Part:
        """A copy of these samples, in this order."""
        return replace(self, fields={name: array[indices] for name, array in self.fields.items()})


def labelled(images: Array, labels: Array) -> Part:
    """Images (N, H, W, C) with one label each, (N,)."""
    return Part({IMAGE: images, LABEL: labels})


@dataclass(frozen=True, slots=True)
class Files:
    """What a field is decoded from, and how; both together stand for its numbers."""

    parts: tuple[Sequence[Content], ...]
    how: str

    def sha256(self) -> str:
        """Hash of the files' contents in the order of the parts, and of how they are decoded."""
        digest = hashlib.sha256(self.how.encode())
        with ThreadPoolExecutor() as pool:
            for part in self.parts:
                for begin in range(0, len(part), _QUEUED):
                    for found in pool.map(_contents_sha256, part[begin : begin + _QUEUED]):
                        digest.update(f"\n{found}".encode())
        return digest.hexdigest()


def _contents_sha256(content: Content) -> str:
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set. A part that does not exist is empty: ``len(dataset.validation) == 0``; its fields are there.

    ``class_names`` are those of the field ``label``, ``other_classes`` those of further fields of class numbers.
    ``image`` and ``label`` name the fields that an input and a head take where neither a source nor a name says more;
    ``label`` may be a field that is not there. ``files`` are, by field, what was or is to be decoded.
    """

    name: str
    class_names: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    image: str = IMAGE
    label: str = LABEL
    other_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, Files] = field(default_factory=dict)

    def part(self, name: PartName) -> Part:
        """The part of that name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def with_parts(self, change: Callable[[Part], Part]) -> Dataset:
        """The data set with every part changed."""
        return replace(self, train=change(self.train), validation=change(self.validation), test=change(self.test))

    def classes(self, name: str) -> tuple[str, ...]:
        """The names of the classes that a field numbers; none where it holds other numbers."""
        return self.class_names if name == self.label else self.other_classes.get(name, ())

    def sha256(self) -> str:
        """Hash of all numbers of all parts, with their names, shapes and types; of a field of files, those instead."""
        digest = hashlib.sha256()
        for name in PARTS:
            for key, array in self.part(name).fields.items():
                digest.update(f"{name} {key} {array.dtype} {array.shape}\n".encode())
                digest.update(b"" if key in self.files else np.ascontiguousarray(array).data)
        for key, files in self.files.items():
            digest.update(f"{key} {files.sha256()}\n".encode())
        return digest.hexdigest()


def dataset_of(
    name: str, class_names: tuple[str, ...], train: Part, validation: Part | None, test: Part | None, **more: Any
) -> Dataset:
    """A data set in which a part that does not exist is ``None``."""
    nothing = train.take(np.arange(0))
    return Dataset(name, class_names, train, validation or nothing, test or nothing, **more)


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a reader may know.

    ``input_shape`` is (H, W, C) of what the network wants of an image; ``validation`` is the part of its own that a
    spec asks a source for by name. ``spec_folder`` is where a relative path in the spec begins, ``cache_dir`` where
    what is downloaded is kept. Decoded images may take ``cache`` bytes of memory.
    """

    data_dir: Path | None
    spec_folder: Path
    input_shape: tuple[int, ...]
    validation: str | None = None
    cache_dir: Path | None = None
    cache: int = 2**30


Reader = Callable[[Any, ReadContext], Dataset]
"""``load(source, context)`` of a reader module; ``source`` is the declared source's instance."""
