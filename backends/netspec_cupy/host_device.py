"""The processor as a device: kernels compiled by g++ against the host half of the seam, one block after the other.

It is slow and meant for tests: it shows without a GPU that a kernel computes what it should, needs every barrier it
has, and stays within its arrays. What it cannot show is said at the top of ``kernels/host_half.cpp``.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from netspec.diagnostics import RunError
from netspec_cupy import cache as kept
from netspec_cupy import sources
from netspec_cupy.contract import Array, Grid

PROBLEM_BYTES = 512
_FLAGS = ("-std=c++17", "-O1", "-shared", "-fPIC", "-DNETSPEC_HOST", "-ffp-contract=off", "-Wno-unknown-pragmas", "-w")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-O0", "-g1")
"""Flags of a build in which a step out of an array ends the process; Python is then started with libasan preloaded.

It is compiled once and run once on small arrays: unoptimised that takes half the time.
"""


class HostMemory:
    """Zeroed memory of the process, not a byte more than was asked for: a sanitizer sees where it ends."""

    def __init__(self, bytes: int) -> None:
        self.bytes = bytes
        self._array = np.zeros(bytes, np.uint8)
        self.address: int = self._array.ctypes.data


@dataclass(slots=True)
class HostDevice:
    """Runs kernels under a ``schedule``: which thread of a block goes on where several can (see host_half.cpp).

    ``texts`` replaces modules by others, of the same name: how a test shows that a mistake is found.
    """

    schedule: int = 0
    flags: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    name: str = "host"
    processors: int = 4
    capability: int = 80
    _functions: dict[str, Any] = field(default_factory=dict, init=False)

    def free_bytes(self) -> int | None:
        """Nobody asks."""
        return None

    def allocate(self, bytes: int) -> HostMemory:
        """Zeroed memory."""
        return HostMemory(bytes)

    def function(self, name: str, source: str | None = None) -> Any:
        """The address of a kernel's caller; its module is compiled where the cache does not hold it."""
        if name not in self._functions:
            text = source
            if text is None:
                module = sources.module_of()[name]
                text = self.texts.get(module, sources.written()[module].text)
            library = _library(text, self.flags)
            for kernel in sources.module(name, text).kernels:
                self._functions[kernel] = ctypes.cast(getattr(library, f"call_{kernel}"), ctypes.c_void_p)
        return self._functions[name]

    def launch(
        self, function: Any, grid: Grid, threads: int, arguments: ctypes.Array[ctypes.c_void_p], shared: int = 0
    ) -> None:
        """Run a kernel; NS939 where its threads wait for each other for ever."""
        problem = ctypes.create_string_buffer(PROBLEM_BYTES)
        sizes = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(threads, 1, 1)
        failed = _runtime(self.flags).netspec_launch(
            function, *sizes, arguments, ctypes.c_int(shared), ctypes.c_int(self.schedule), problem, PROBLEM_BYTES
        )
        if failed:
            kernel = next(name for name, known in self._functions.items() if known is function)
            raise RunError.of("NS939", kernel=kernel, problem=problem.value.decode())

    def send(self, parts: Iterable[tuple[int, Array]]) -> None:
        """Copy arrays to addresses."""
        for address, array in parts:
            whole = np.ascontiguousarray(array)
            ctypes.memmove(address, whole.ctypes.data, whole.nbytes)

    def fetch(self, address: int, into: Array) -> None:
        """Copy memory into an array."""
        ctypes.memmove(into.ctypes.data, address, into.nbytes)

    def repeat(self, recording: dict[Any, Any], key: Any, work: Callable[[], None]) -> None:
        """Run it: there is nothing to gain from a recording."""
        work()

    def timed(self, works: Iterable[Callable[[], None]]) -> list[float]:
        """By the processor's clock."""
        found = []
        for work in works:
            begun = time.perf_counter()
            work()
            found.append(time.perf_counter() - begun)
        return found


@cache
def _compiler() -> str:
    """The compiler's version; NS938 where there is none."""
    try:
        return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise RunError.of("NS938", compiler="g++", problem=f"it cannot be run ({error})") from error


@cache
def _runtime(flags: tuple[str, ...]) -> ctypes.CDLL:
    """The fibers and their scheduler."""
    return ctypes.CDLL(os.fspath(_compiled_runtime(flags)))


@cache
def _library(text: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    _runtime(flags)
    return ctypes.CDLL(os.fspath(_compiled("kernels", text, flags, _compiled_runtime(flags))))


def _compiled_runtime(flags: tuple[str, ...]) -> Path:
    text = (sources.FOLDER / "host_half.cpp").read_text(encoding="utf-8")
    return _compiled("runtime", text, flags)


def _compiled(kind: str, text: str, flags: tuple[str, ...], runtime: Path | None = None) -> Path:
    """The shared object of a source; a RunError NS938 with the compiler's words where it does not compile.

    Kernels are linked to the ``runtime`` of their flags by its name. Were its names visible to all, they would wait in
    the block of whichever runtime the process happened to load first.
    """
    header = (sources.FOLDER / "host_half.h").read_text(encoding="utf-8")
    facts = (text, header, *sources.headers().values(), *_FLAGS, *flags, _compiler(), runtime.name if runtime else "")
    path = kept.folder() / f"host-{kind}-{sources.digest(*facts)}.so"
    if path.exists():
        return path
    links = [f"-Wl,-soname,{path.name}"]
    if runtime:
        links += [f"-L{runtime.parent}", f"-l:{runtime.name}", "-Wl,-rpath,$ORIGIN"]
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "source.cpp", Path(scratch) / "made.so"
        source.write_text(text, encoding="utf-8")
        command = ["g++", *_FLAGS, *flags, f"-I{sources.FOLDER}", os.fspath(source), "-o", os.fspath(target), *links]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise RunError.of("NS938", compiler="g++", problem=next((x for x in lines if "error" in x), lines[0]))
        return kept.keep(path.name, target.read_bytes())
