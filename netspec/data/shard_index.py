"""Where the images of a tar file lie, and what their classes are: read once from its headers, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np

from netspec.data.contents import Names
from netspec.data.dataset import Array
from netspec.data.files import fault
from netspec.data.images import SUFFIXES

_VERSION = 1
"""Of what an index holds; another one is made anew."""
_LARGEST_LABEL = 1 << 20
"""Bytes of a member that holds a class."""
_LABELS = (".cls", ".json")
"""Endings of members that hold a class. Of both, the first is read."""
_ARRAYS = ("joined", "ends", "spans", "classes", "class_ends", "codes")


class Shard(NamedTuple):
    """What is in a tar file: the names of its N images, their offsets and sizes (int64, N x 2), the names of the
    classes that occur, and for each image the place of its class among these (int32, N).
    """

    file: Path
    names: Names
    spans: Array
    classes: tuple[str, ...]
    codes: Array


def indexed(file: Path, label: str, cache_dir: Path | None) -> Shard:
    """The index of a tar file: that in the cache folder, unless the file has another size or date since.

    Without a cache folder, or where it cannot be written, the index is made each time. A RunError names the member that
    is no sample, or says that the file is damaged.
    """
    try:
        about = file.stat()
    except OSError as error:
        raise fault(file, f"it cannot be read: {error.strerror or error}") from error
    key = "\0".join(map(str, (_VERSION, file, about.st_size, about.st_mtime_ns, label)))
    kept = cache_dir and cache_dir / "tar" / (hashlib.blake2b(key.encode(), digest_size=16).hexdigest() + ".npz")
    if kept and kept.is_file():
        # An index that is damaged is made anew.
        with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return _read(file, kept)
    made = _made(file, label)
    if kept:
        with suppress(OSError):
            _keep(made, kept)
    return made


def _read(file: Path, kept: Path) -> Shard:
    with kept.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        joined, ends, spans, classes, class_ends, codes = (arrays[name] for name in _ARRAYS)
    return Shard(file, Names(joined.tobytes(), ends), spans, tuple(Names(classes.tobytes(), class_ends)), codes)


def _keep(shard: Shard, file: Path) -> None:
    """Write an index beside its place and move it there, so that nobody sees half of one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    classes = Names.of(shard.classes)
    joined, of_classes = (np.frombuffer(each.joined, np.uint8) for each in (shard.names, classes))
    arrays = (joined, shard.names.ends, shard.spans, of_classes, classes.ends, shard.codes)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        written = Path(folder) / file.name
        named: dict[str, Any] = dict(zip(_ARRAYS, arrays, strict=True))
        np.savez(written, **named)
        os.replace(written, file)


def _made(file: Path, label: str) -> Shard:
    names: list[str] = []
    spans: list[tuple[int, int]] = []
    codes: list[int] = []
    classes: dict[str, int] = {}
    seen: set[str] = set()
    try:
        with file.open("rb") as stream:
            for stem, members in groupby(_members(file), key=lambda member: _parts(member.name)[0]):
                if stem in seen:
                    raise fault(f"{file}/{stem}", "the sample occurs twice, or its members do not follow each other")
                seen.add(stem)
                image, name = _sample(file, stem, list(members), stream, label)
                names.append(image.name)
                spans.append((image.offset_data, image.size))
                codes.append(classes.setdefault(name, len(classes)))
    except OSError as error:
        raise fault(file, f"it cannot be read: {error.strerror or error}") from error
    table = np.array(spans, np.int64).reshape(-1, 2)
    return Shard(file, Names.of(names), table, tuple(classes), np.array(codes, np.int32))


def _members(file: Path) -> Iterator[tarfile.TarInfo]:
    """The files in a tar file, in its order; a RunError where it is none, compressed, damaged or cut off."""
    try:
        with tarfile.open(file, "r:") as archive:
            while (member := archive.next()) is not None:
                cast(Any, archive).members.clear()  # else it keeps what it knows of each member, in some kilobytes
                if member.isreg() and not member.issparse():
                    if not member.name.rpartition("/")[2].startswith("."):
                        yield member
                elif not member.isdir():
                    raise fault(f"{file}/{member.name}", "it is a link or a special file, not an image or a class")
            end = archive.offset
    except tarfile.TarError as error:
        advice = "it has to be a tar file that is not compressed: images are read from its middle"
        raise fault(file, f"it is no tar file, or damaged: {error}", advice) from error
    with file.open("rb") as stream:
        # At a header that is damaged tarfile ends as it does at the end, where there are zeros.
        stream.seek(end)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise fault(file, f"it is damaged or cut off at byte {end:,}: neither a file begins there, nor does it end")


def _parts(name: str) -> tuple[str, str]:
    """What samples go by, and the ending: those of ``a/b.c.jpg`` are ``a/b`` and ``.c.jpg``, as in WebDataset."""
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    return folder + slash + stem, (dot + ending).lower()


def _sample(
    file: Path, stem: str, members: list[tarfile.TarInfo], stream: IO[bytes], label: str
) -> tuple[tarfile.TarInfo, str]:
    """The image of a sample, and the name of its class."""
    by_ending: dict[str, tarfile.TarInfo] = {}
    for member in members:
        ending = _parts(member.name)[1]
        if ending not in SUFFIXES and ending not in _LABELS:
            known = ", ".join((*sorted(SUFFIXES), *_LABELS))
            raise fault(f"{file}/{member.name}", "it is neither an image nor a class by its name", f"endings: {known}")
        if ending in by_ending:
            raise fault(f"{file}/{member.name}", "the sample occurs twice, or its members do not follow each other")
        by_ending[ending] = member
    images = [member for ending, member in by_ending.items() if ending in SUFFIXES]
    if len(images) != 1:
        what = "there is no image of this name" if not images else "there are several images of this name"
        raise fault(f"{file}/{stem}", f"{what}, but {', '.join(by_ending)}")
    written = next((by_ending[ending] for ending in _LABELS if ending in by_ending), None)
    if written is None:
        advice = f'put its class into {stem}.cls, or into {stem}.json as "{label}"'
        raise fault(f"{file}/{images[0].name}", "the image has no class beside it", advice)
    return images[0], _class_in(f"{file}/{written.name}", written, stream, label)


def _class_in(called: str, member: tarfile.TarInfo, stream: IO[bytes], label: str) -> str:
    """The class in a ``.cls`` or ``.json``."""
    if member.size > _LARGEST_LABEL:
        raise fault(called, f"it has {member.size:,} bytes; at most {_LARGEST_LABEL:,} are read of a class")
    stream.seek(member.offset_data)
    try:
        text = stream.read(member.size).decode()
        found: Any = _entry(json.loads(text), label) if member.name.lower().endswith(".json") else text.strip()
    except (ValueError, RecursionError) as error:
        raise fault(called, f"it cannot be read: {error}") from error
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return str(found)
    if not isinstance(found, str) or not found or not found.isprintable():
        problem = "it holds no class: a name or a whole number from 0"
        raise fault(called, problem if member.name.lower().endswith(".cls") else f'{problem}, at the key "{label}"')
    return found


def _entry(document: Any, label: str) -> Any:
    return document.get(label) if isinstance(document, dict) else None
