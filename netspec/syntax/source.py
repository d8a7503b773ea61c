"""Reading a file: only a regular one, of bounded size, in UTF-8; and the places in its text."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from typing import NamedTuple

from netspec.diagnostics import Diagnostic, Span
from netspec.diagnostics.text import line_starts

SIZE_LIMIT = 2 * 1024 * 1024
"""Bytes that a spec may have unless the caller says otherwise."""

BUNDLE_SUFFIX = ".netspec"
"""What the name of a file ends in that holds a spec with its hash, and not the text alone."""

RESOLVED = "spec.resolved.yaml"
"""What the file is called in which a run keeps its spec, written out."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
# A pipe or a device must neither block the open nor become the terminal; the flags do not exist on every platform.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class Source(NamedTuple):
    """The text of a spec and the name that diagnostics call it by."""

    name: str
    text: str


class Positions:
    """Offsets of a text as spans. The parser's own line numbers are not used: it counts U+2028 as a line end."""

    __slots__ = ("_starts", "name", "text")

    def __init__(self, source: Source) -> None:
        self.name, self.text = source
        self._starts = line_starts(self.text)

    def span(self, start: int, end: int) -> Span:
        """The span from one offset to the other, exclusive."""
        line = bisect_right(self._starts, start)
        end_line = bisect_right(self._starts, end)
        return Span(self.name, line, start - self._starts[line - 1] + 1, end_line, end - self._starts[end_line - 1] + 1)

    def written(self, span: Span) -> str:
        """The text at a span."""
        start, end = (self._starts[line - 1] + column - 1 for line, column in (span[1:3], span[3:5]))
        return self.text[start:end]

    def line_start(self, offset: int) -> int:
        """The offset at which the line of ``offset`` begins."""
        return self._starts[bisect_right(self._starts, offset) - 1]


def read_source(path: str | os.PathLike[str], limit: int = SIZE_LIMIT, name: str | None = None) -> Source | Diagnostic:
    """The text of the file, or why there is none.

    ``limit`` is in bytes; ``name`` is what diagnostics call the file, by default its path.
    """
    name = os.fspath(path) if name is None else name
    try:
        with open(path, "rb", opener=lambda path, _: os.open(path, _OPEN_FLAGS)) as file:
            kind = _irregular(os.fstat(file.fileno()).st_mode)
            if kind:
                return _refused(name, f"it is {kind}, not a regular file")
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        return unreadable(name, error)
    return decode_source(name, data, limit)


def decode_source(name: str, data: bytes, limit: int = SIZE_LIMIT) -> Source | Diagnostic:
    """The text in ``data``, of at most ``limit`` bytes of UTF-8; a byte order mark at its head is no part of it."""
    if len(data) > limit:
        return Diagnostic("NS007", Span.of_file(name), {"limit": limit})
    for mark, encoding in _OTHER_ENCODINGS:
        if data.startswith(mark):
            return Diagnostic("NS006", Span.of_file(name), {"encoding": encoding})
    try:
        return Source(name, data.removeprefix(BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Diagnostic("NS006", Span(name, line, column, line, column + 1), {"byte": error.object[error.start]})


def unreadable(name: str, error: OSError | ValueError) -> Diagnostic:
    """What to say of a file or folder whose reading ended in ``error``."""
    return _refused(name, _reason(error))


def _refused(name: str, problem: str) -> Diagnostic:
    spec = os.path.join(name, RESOLVED)
    return Diagnostic("NS008", Span.of_file(name), {"problem": problem} | ({"spec": spec} if _is_file(spec) else {}))


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a path with a null byte
        return False


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "its permissions do not allow it"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a regular file"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _irregular(mode: int) -> str | None:
    """What kind of thing other than a regular file this is."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
