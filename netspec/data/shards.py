"""The source ``tar``: images in tar files, in the convention of WebDataset (Aizman et al. 2019, github.com/webdataset).

Members that follow each other and whose names are alike up to the first dot of the last part are one sample: an image
beside ``.cls``, which holds its class, or ``.json``, an object with the class at the key ``label``. Nothing is
unpacked: where each image lies is noted once, in the cache folder, and read from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.contents import Members
from netspec.data.dataset import IMAGE, Array, Dataset, Files, ReadContext, dataset_of, labelled
from netspec.data.files import fault, inside, written_file, written_folder
from netspec.data.images import ImageFiles, refuse_shape
from netspec.data.ondemand import fields
from netspec.data.shard_index import Shard, indexed

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000
"""Files that a range may name."""
_MOST_CLASSES = 1_000_000
"""Classes that may be numbered; a larger number is no class."""
_READERS = 8
"""Shards that are read at a time."""


def load(source: Any, context: ReadContext) -> Dataset:
    """Images (N, H, W, C) in the order of the files and their members; a RunError names the file or member at fault."""
    written = {"train": source.files, "validation": source.validation, "test": source.test}
    shards = {part: _indexed(text, source.label, context) for part, text in written.items() if text}
    classes = _classes(shards["train"], source.files)
    refuse_shape(context.input_shape, source.files)
    members = {part: _members(found) for part, found in shards.items()}
    decoders = {part: ImageFiles(found, context.input_shape, source.resize) for part, found in members.items()}
    images = fields(decoders, context.cache)
    parts = {part: labelled(images[part], _labels(found, classes)) for part, found in shards.items()}
    files = {IMAGE: Files(tuple(members.values()), source.resize)}
    others = parts.get("validation"), parts.get("test")
    return dataset_of("tar", classes, parts["train"], *others, files=files)


def _indexed(written: str, label: str, context: ReadContext) -> list[Shard]:
    """The shards that a text names; none of them may be empty."""
    with ThreadPoolExecutor(_READERS) as pool:
        shards = list(pool.map(lambda file: indexed(file, label, context.cache_dir), shard_files(written, context)))
    empty = [shard for shard in shards if not len(shard.names)]
    if empty:
        raise fault(empty[0].file, "it holds no image")
    return shards


def shard_files(written: str, context: ReadContext) -> list[Path]:
    """The files of a name, of a range such as ``train-{000..127}.tar``, or of a pattern such as ``train-*.tar``.

    A range is read in its order, a pattern in that of the names.
    """
    span = _RANGE.search(written)
    if span:
        first, last = map(int, span.groups())
        if not 0 <= last - first < _MOST_SHARDS:
            raise fault(written, f"{span[0]} is no range of 1 to {_MOST_SHARDS:,} files")
        width = len(span[1])
        names = (
            written[: span.start()] + f"{each:0{width}}" + written[span.end() :] for each in range(first, last + 1)
        )
        return [written_file(name, context) for name in names]
    place, name = Path(written).parent, Path(written).name
    if "*" not in name and "?" not in name:
        return [written_file(written, context)]
    folder = written_folder(str(place), context)
    found = sorted(path for path in folder.iterdir() if fnmatchcase(path.name, name))
    if not found:
        raise fault(written, f"no file in {folder} is named like it")
    return [inside(folder, path) for path in found]


def _classes(shards: Sequence[Shard], written: str) -> tuple[str, ...]:
    """Class names in their order: as numbers where all are whole numbers from 0, else sorted."""
    names = {name for shard in shards for name in shard.classes}
    if all(name.isdecimal() for name in names):
        last = max(map(int, names))
        if last >= _MOST_CLASSES:
            raise fault(written, f"it holds the class number {last:,}; at most {_MOST_CLASSES:,} classes are read")
        return tuple(map(str, range(last + 1)))
    if len(names) < 2:
        raise fault(written, f"all images are of the class '{min(names)}', and a classifier wants at least two")
    return tuple(sorted(names))


def _labels(shards: Sequence[Shard], classes: Sequence[str]) -> Array:
    """int32 (N,): the class numbers of all samples."""
    numbers = {name: number for number, name in enumerate(classes)}
    found = []
    for shard in shards:
        # Where classes are numbers, 007 is 7.
        meant = [name if name in numbers or not name.isdecimal() else str(int(name)) for name in shard.classes]
        strange = [name for name in meant if name not in numbers]
        if strange:
            raise fault(shard.file, f"'{strange[0]}' is no class of the training part")
        found.append(np.array([numbers[name] for name in meant], np.int32)[shard.codes])
    return np.concatenate(found)


def _members(shards: Sequence[Shard]) -> Members:
    """The images of all shards, in their order."""
    files, names, spans, _, _ = zip(*shards, strict=True)
    return Members.of(files, names, spans)
