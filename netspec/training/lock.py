"""A lock that one process holds on a run directory, and that the system takes back however the process ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from netspec.diagnostics.errors import RunError
from netspec.training.files import writing

if sys.platform != "win32":
    import fcntl

LOCK = ".lock"


class Lock:
    """The lock on a folder, held until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, since to remove it would race with the next who opens it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock(folder: Path) -> Lock:
    """Take the lock on ``folder``; a RunError names the process that has it, or says why it cannot be taken.

    Windows has no flock: nothing is locked there.
    """
    with writing(folder):
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise RunError(
            f"the run directory '{folder}' is in use by process {holder or '(unknown)'}: "
            "wait for it to end, or give another --run-dir"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise RunError(f"the run directory '{folder}' cannot be locked: {error.strerror or error}") from error
    return Lock(descriptor)
