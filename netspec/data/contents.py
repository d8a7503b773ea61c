"""What samples are decoded from: files, and members of tar files, in lists that take little memory.

A million paths as Python objects take some hundred bytes each, and travel to every worker. Here names lie behind each
other in one piece of memory, and an object is made of one when it is asked for.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, overload

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Item = TypeVar("Item")


class Member(NamedTuple):
    """A file within a tar file: so many bytes from ``offset`` on."""

    archive: Path
    name: str
    offset: int
    size: int

    def open(self, mode: Literal["rb"]) -> BytesIO:
        """Its bytes. An OSError where the archive has fewer."""
        with self.archive.open(mode) as stream:
            stream.seek(self.offset)
            data = stream.read(self.size)
        if len(data) < self.size:
            raise OSError(f"the tar file ends within it, {self.size - len(data):,} bytes too early")
        return BytesIO(data)

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


Content = Path | Member
"""What can be opened, and says where it lies."""


class _Listed(Sequence[Item]):
    """A sequence whose items are made when they are asked for."""

    @abstractmethod
    def _item(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        places = range(len(self))[place]
        return self._item(places) if isinstance(places, int) else [self._item(each) for each in places]


class Names(_Listed[str]):
    """Texts, such as a system's names of files."""

    def __init__(self, joined: bytes, ends: Array) -> None:
        self.joined, self.ends = joined, ends

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Of these names."""
        joined, ends = bytearray(), array("q")
        for name in names:
            joined += os.fsencode(name)
            ends.append(len(joined))
        return cls(bytes(joined), np.frombuffer(ends, np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def _item(self, place: int) -> str:
        return os.fsdecode(self.joined[int(self.ends[place - 1]) if place else 0 : int(self.ends[place])])


class Paths(_Listed[Path]):
    """Files below one folder."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder, self._names = folder, names

    @classmethod
    def of(cls, folder: Path, paths: Iterable[Path]) -> Paths:
        """Of these paths, which begin with that of the folder."""
        return cls(folder, Names.of(str(path.relative_to(folder)) for path in paths))

    def __len__(self) -> int:
        return len(self._names)

    def _item(self, place: int) -> Path:
        return self._folder / self._names[place]


class Members(_Listed[Member]):
    """Members of tar files, one archive after the other: ``firsts`` has the place of the first of each."""

    def __init__(self, archives: Sequence[Path], firsts: Array, names: Names, spans: Array) -> None:
        self._archives, self._firsts, self._names, self._spans = archives, firsts, names, spans

    @classmethod
    def of(cls, archives: Sequence[Path], names: Sequence[Names], spans: Sequence[Array]) -> Members:
        """Of these archives, of each of which there are names and, as int64 (N, 2), offsets and sizes."""
        counts = np.array([len(each) for each in names])
        bytes_before = np.cumsum([0, *(len(each.joined) for each in names[:-1])])
        ends = [each.ends + before for each, before in zip(names, bytes_before, strict=True)]
        joined = Names(b"".join(each.joined for each in names), np.concatenate(ends))
        return cls(tuple(archives), np.cumsum(counts) - counts, joined, np.concatenate(spans))

    def __len__(self) -> int:
        return len(self._names)

    def _item(self, place: int) -> Member:
        archive = self._archives[int(np.searchsorted(self._firsts, place, "right")) - 1]
        offset, size = map(int, self._spans[place])
        return Member(archive, self._names[place], offset, size)
