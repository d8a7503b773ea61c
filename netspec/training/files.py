"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
