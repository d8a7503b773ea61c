"""Modules written by the kernel generators: kept on disk, so that what numba compiles from them is kept too."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numba


def directory() -> Path:
    """Where generated modules lie: below numba's cache directory, else below the user's."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "generated"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netspec" / "generated"


def module(prefix: str, source: str) -> ModuleType:
    """The module with this source, named after its hash; written first where no file says the same.

    numba finds compiled code by file, date and size, so a file that is right is left as it is; and it looks the
    module up by name when it loads that code, so it is entered among the imported ones.
    """
    name = f"{prefix}_{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    path = directory() / f"{name}.py"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    if not path.exists() or path.read_text(encoding="utf-8") != source:
        _write(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {path}")
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[name]
        raise
    return made


def _write(path: Path, source: str) -> None:
    """Put the whole file in place at once, since other processes may be about to read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
