"""The machine the kernels are compiled for: its vector width, where compiled code is kept, how threads are run.

``LANES`` and ``VECTOR_REGISTERS`` are constants of the process: the kernel modules freeze them into the code
they generate. They are therefore part of the name of the cache directory that ``configure`` selects, which
must happen before the first kernel module is imported.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal

import llvmlite
import numba
import numpy as np
import platformdirs
from llvmlite import binding

from netspec.core.host import available_memory
from netspec.diagnostics import Diagnostic, Span
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.text import size

SUPPORTED_LANES = (4, 8, 16)


def choose_lanes(features: Mapping[str, bool], override: str | None) -> int:
    """Float32 lanes of the widest vector with fused multiply-add among the CPU ``features``.

    ``override`` (the environment variable NETSPEC_LANES) wins where it is given: LLVM splits or widens vectors
    as needed, so that every width is right on every machine. Raises ValueError for an unsupported override.
    """
    if override:
        if override not in map(str, SUPPORTED_LANES):
            raise ValueError(f"NETSPEC_LANES is {override!r}; supported are 4, 8 and 16")
        return int(override)
    if features.get("avx512f"):
        return 16
    if features.get("avx2") and features.get("fma"):
        return 8
    return 4


LANES: int = choose_lanes(binding.get_host_cpu_features(), os.environ.get("NETSPEC_LANES"))
"""Float32 numbers of one vector; also the channel block of the layouts these kernels read and write."""

DotProduct = Literal["vnni", "multiply"]
"""How sums of products of bytes are made: by one instruction for four of them, or by widening multiplications."""


def choose_dot_product(features: Mapping[str, bool], lanes: int, override: str | None) -> DotProduct:
    """Whether the CPU has the instruction ``vpdpbusd`` for vectors of ``lanes`` int32. Both give the same numbers.

    ``override`` (the environment variable NETSPEC_VNNI) may be 0, to do without. Raises ValueError for anything else.
    """
    if override not in (None, "", "0", "1"):
        raise ValueError(f"NETSPEC_VNNI is {override!r}; it may be 0 or 1")
    has = features.get("avx512vnni") and (lanes == 16 or features.get("avx512vl"))
    return "vnni" if has and override != "0" else "multiply"


DOT_PRODUCT: DotProduct = choose_dot_product(binding.get_host_cpu_features(), LANES, os.environ.get("NETSPEC_VNNI"))
"""What the kernels for bytes are made of."""

PERMUTES_TWO: bool = LANES == 16 and bool(binding.get_host_cpu_features().get("avx512f"))
"""Whether one instruction chooses any lanes of two vectors (``vpermi2ps``)."""

VECTOR_REGISTERS: int = 32 if LANES == 16 else 16
"""Architectural vector registers, the budget of a micro-kernel's tile."""


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """What ``configure`` decided, for the log and for ``netspec`` reports."""

    lanes: int
    cache: Path
    persistent: bool
    """False when the user's cache directory cannot be used and kernels are compiled anew in every process."""
    threading_layer: str


@cache
def configure() -> HostConfiguration:
    """Point Numba at a private kernel cache and at the fastest threading layer that loads.

    Call it before importing any kernel module; only the first call decides. Compiled kernels are kept under
    NETSPEC_CACHE_DIR, or else the user's cache directory; where that cannot be used, in a folder that goes when the
    process ends.
    """
    root = Path(os.environ.get("NETSPEC_CACHE_DIR") or platformdirs.user_cache_dir("netspec"))
    folder = root / f"kernels-{_fingerprint(Path(__file__).parent.rglob('*.py'))}"
    persistent = _make_private(folder)
    if not persistent:
        _say_once(root)
        folder = Path(tempfile.mkdtemp(prefix="netspec-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    layer = _threading_layer(("omp", "tbb", "workqueue"))
    # Numba reads its configuration again from the environment whenever that has changed: both must agree.
    os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = str(folder)
    os.environ["NUMBA_THREADING_LAYER"] = numba.config.THREADING_LAYER = layer
    return HostConfiguration(LANES, folder, persistent, layer)


def _say_once(root: Path) -> None:
    """Tell that compiled kernels cannot be kept. Without anybody's settings, logging writes a warning to stderr."""
    told = Diagnostic("NS964", Span.of_file(""), {"folder": str(root)})
    logging.getLogger("netspec").warning("warning: [NS964] %s\n  help: %s", told.message, told.help_text)


def check_memory(needed: int) -> None:
    """Raise NS902 where ``needed`` bytes are more than can be had: the system may promise them all the same."""
    available = available_memory()
    if available is not None and needed > available:
        raise RunError.of("NS902", needed=size(needed), available=size(available))


def _fingerprint(sources: Iterable[Path]) -> str:
    """Hash of all that compiled code depends on. Numba itself notices neither changed imports nor constants."""
    features = binding.get_host_cpu_features()
    facts = (
        platform.python_version(),
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        binding.get_host_cpu_name(),
        ",".join(sorted(name for name, present in features.items() if present)),
        str(LANES),
        DOT_PRODUCT,
    )
    digest = hashlib.sha256("\n".join(facts).encode())
    for source in sorted(sources):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _make_private(directory: Path) -> bool:
    """Create ``directory`` for this user alone; False if it cannot be written or others could write to it.

    Cached kernels are pickles, and whoever can write one can run code here.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and directory.stat().st_uid != os.getuid():
            return False
        directory.chmod(0o700)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def _threading_layer(candidates: Iterable[str]) -> str:
    """The first threading layer whose runtime library loads; Numba's wheel always carries "workqueue"."""
    modules = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}
    for layer in candidates:
        try:
            import_module(f"numba.np.ufunc.{modules[layer]}")
        except ImportError:
            continue
        return layer
    return "workqueue"
