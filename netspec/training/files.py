"""Writing files so that a crash leaves the old one or the new one, never half of one; and saying why it cannot be."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netspec.diagnostics.errors import RunError

NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""What the system says where a disk is full, or the share of it that its user may have."""


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """NS993 where what was asked for cannot be written at ``path``, file or folder; NS994 where the disk is full."""
    try:
        yield
    except BrokenPipeError:  # whoever read a pipe has enough; nothing is wrong with the place
        raise
    except OSError as error:
        code = "NS994" if error.errno in NO_ROOM else "NS993"
        raise RunError.of(code, path=str(path), problem=error.strerror or str(error)) from error


def write_output(path: Path, data: bytes, folders: bool = False) -> None:
    """Write a file that somebody named: in the place of an old one, behind links too, and to a device as it is.

    The ``folders`` that it lies in are made if that is asked for. NS993 or NS994 where it cannot be written.
    """
    with writing(path):
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # /dev/stdout is to be written to, not to be replaced
            path.write_bytes(data)
        else:
            write_atomic(path.resolve(), data)


def write_atomic(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path``; it is on the disk when this returns. Raises the OSError of what failed."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _open_to_others(temporary)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Put ``document`` as readable JSON in the place of ``path``, atomically."""
    write_atomic(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def remove_leftovers(folder: Path) -> None:
    """Delete what `write_atomic` was writing into ``folder`` when a process was killed."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _open_to_others(file: str) -> None:
    """Give the file the mode of any new file; mkstemp keeps it to its owner."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(file, 0o666 & ~mask)


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk; Windows can neither do this nor needs it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
