"""What a disk may hold after a crash: a record of what was written and flushed, and every state that it allows.

The rules are those that POSIX leaves to a program, harsher than most file systems: of a file that was not flushed since
it was written there is nothing, a half, or all (of one at a time); of the names that were made, replaced or removed in
a folder since that was flushed, any may have reached the disk and any may not, whatever their order.
"""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MOST_PENDING = 4
"""Names on the way of which all subsets are tried; of more, those that came first and those that came last."""

Names = dict[str, bytes]
"""Files by their path below the root."""


@dataclass(frozen=True, slots=True)
class Change:
    """A name that now stands for this content, or for nothing."""

    path: str
    content: bytes | None
    flushed: bool = True

    @property
    def contents(self) -> tuple[bytes | None, ...]:
        """What a crash may leave of it."""
        if self.content is None or self.flushed:
            return (self.content,)
        return (b"", self.content[: len(self.content) // 2], self.content)


@dataclass(slots=True)
class Recorder:
    """Follows the writing below ``root``, and notes what a crash before each event could leave."""

    root: Path
    durable: Names = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    flushed: dict[str, bytes] = field(default_factory=dict)
    """Temporary files, by their path, with what of them is on the disk."""
    states: dict[frozenset[tuple[str, bytes]], str] = field(default_factory=dict)
    """Every state that a crash may leave, with the event before which it may come."""
    events: int = 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Follow the calls by which files come about."""
        patch.setattr(os, "fsync", self._before("flush", os.fsync, self._flush))
        patch.setattr(os, "replace", self._before("replace", os.replace, self._replace))
        patch.setattr(Path, "unlink", self._before("remove", Path.unlink, self._remove))
        patch.setattr(tempfile, "mkstemp", self._after(tempfile.mkstemp))

    def _before(self, kind: str, call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            self.events += 1
            self._note_states(f"{self.events}: {kind} {arguments[0]}")
            found = call(*arguments, **options)
            note(*arguments)
            return found

        return noted

    def _after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            descriptor, path = call(*arguments, **options)
            self.pending.append(Change(self._below(path), b""))
            return descriptor, path

        return noted

    def _below(self, path: str | Path) -> str:
        return str(Path(path).relative_to(self.root))

    def _flush(self, descriptor: int) -> None:
        path = self._below(os.readlink(f"/proc/self/fd/{descriptor}"))
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.flushed[path] = (self.root / path).read_bytes()
            return
        for change in self.pending:
            if str(Path(change.path).parent) == path:
                _apply(self.durable, change.path, change.contents[-1])
        self.pending = [change for change in self.pending if str(Path(change.path).parent) != path]

    def _replace(self, source: str | Path, target: str | Path) -> None:
        content = Path(target).read_bytes()
        flushed = self.flushed.pop(self._below(source), None) == content
        self.pending += [Change(self._below(target), content, flushed), Change(self._below(source), None)]

    def _remove(self, path: Path, *_: Any) -> None:
        self.pending.append(Change(self._below(path), None))

    def _note_states(self, event: str) -> None:
        for chosen in _subsets(self.pending):
            contents = [change.contents for change in chosen]
            for place, left in [(0, ()), *((place, each) for place, each in enumerate(contents))]:
                for content in left or (None,):
                    names = dict(self.durable)
                    for number, change in enumerate(chosen):
                        _apply(names, change.path, content if left and number == place else change.content)
                    self.states.setdefault(frozenset(names.items()), event)


def _apply(names: Names, path: str, content: bytes | None) -> None:
    if content is None:
        names.pop(path, None)
    else:
        names[path] = content


def _subsets(changes: list[Change]) -> Iterator[tuple[Change, ...]]:
    """Some of the changes, in their order."""
    if len(changes) <= MOST_PENDING:
        for count in range(len(changes) + 1):
            yield from itertools.combinations(changes, count)
        return
    for count in range(len(changes) + 1):
        yield tuple(changes[:count])
        yield tuple(changes[count:])


def materialise(state: frozenset[tuple[str, bytes]], folder: Path) -> None:
    """Put the files of a state below ``folder``."""
    for path, content in state:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
