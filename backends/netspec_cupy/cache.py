"""Where compiled kernels are kept: a folder of this user alone, or one that goes when the process ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import platformdirs


@cache
def folder() -> Path:
    """The folder, under NETSPEC_CACHE_DIR or else the user's cache directory."""
    root = Path(os.environ.get("NETSPEC_CACHE_DIR") or platformdirs.user_cache_dir("netspec"))
    found = root / "cupy"
    if is_private(found):
        return found
    temporary = Path(tempfile.mkdtemp(prefix="netspec-cupy-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


def is_private(directory: Path) -> bool:
    """Create ``directory`` for this user alone; False if it cannot be written or others could write to it.

    What lies in it is loaded as code.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and directory.stat().st_uid != os.getuid():
            return False
        directory.chmod(0o700)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def keep(name: str, contents: bytes) -> Path:
    """Put a whole file in place at once, since other processes may be about to read it."""
    path = folder() / name
    handle, temporary = tempfile.mkstemp(dir=folder(), prefix=name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(contents)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
