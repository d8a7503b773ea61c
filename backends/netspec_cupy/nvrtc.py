"""NVRTC, CUDA's compiler as a library: from a kernel's source to a cubin, without a driver or a device.

It is called as a C library and not through CuPy, so that every kernel can be compiled, and its registers counted, on a
machine that has neither. The wheel ``nvidia-cuda-nvrtc`` is enough.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from netspec.diagnostics import RunError
from netspec_cupy import cache as kept
from netspec_cupy import sources

ARCHITECTURES = ("sm_75", "sm_80", "sm_90a", "sm_100")
"""What every kernel has to compile for: Turing, Ampere, Hopper with its own instructions, Blackwell."""

MAJORS = (13, 12)
"""Versions of CUDA that the library may be of."""

_OPTIONS = ("--std=c++17", "--ptxas-options=-v")

_FIGURES = re.compile(
    r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What ptxas says of a kernel: registers of a thread, bytes of its stack, bytes spilled to it."""

    registers: int
    stack: int
    spilled: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module for one architecture, and its kernels' figures by name."""

    cubin: bytes
    figures: Mapping[str, Figures]
    warnings: tuple[str, ...]
    """What ptxas (C75..) could not do as the source asks."""


def architecture(capability: int) -> str:
    """The architecture to compile for: Hopper's has instructions that only ``sm_90a`` names."""
    return "sm_90a" if capability == 90 else f"sm_{capability}"


def candidates() -> tuple[str, ...]:
    """Where the library may be: in its wheel, else wherever the loader looks, else where CuPy would find it."""
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    names = [f"libnvrtc.so.{major}" for major in MAJORS]
    in_wheels = [str(path) for name in names for root in roots for path in sorted(root.glob(f"*/lib/{name}"))]
    return (*in_wheels, *names, *_found_for_cupy())


def _found_for_cupy() -> tuple[str, ...]:
    """Where cuda-pathfinder, which comes with CuPy, finds the library: in a toolkit outside of Python, say."""
    try:
        finder = importlib.import_module("cuda.pathfinder")
        return (str(finder.load_nvidia_dynamic_lib("nvrtc").abs_path),)
    except (ImportError, RuntimeError):  # it is not there, or finds nothing
        return ()


@cache
def library() -> ctypes.CDLL:
    """NVRTC, loaded; NS938 where it is missing."""
    for candidate in candidates():
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    advice = "install netspec[cuda13] or netspec[cuda12], or nvidia-cuda-nvrtc to compile only"
    raise RunError.of("NS938", compiler="NVRTC", problem="it is not installed", advice=advice)


def version() -> tuple[int, int]:
    """Major and minor version; NS938 where there is none."""
    numbers = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(*map(ctypes.byref, numbers))
    return numbers[0].value, numbers[1].value


def compile_source(text: str, target: str) -> Compiled:
    """A module of kernels compiled for an architecture; NS938 with the compiler's first words where it fails."""
    program = _program(text)
    try:
        options = [option.encode() for option in (*_OPTIONS, *sources.options(text), f"-arch={target}")]
        failed = library().nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _text(program, "ProgramLog")
        if failed:
            lines = [line for line in log.decode().splitlines() if "error" in line] or ["it gives no reason"]
            raise RunError.of("NS938", compiler="NVRTC", problem=f"for {target}: {lines[0]}")
        complaints = tuple(line for line in log.decode().splitlines() if "C75" in line)
        return Compiled(_text(program, "CUBIN"), figures(log.decode()), complaints)
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))


def cubin(text: str, target: str) -> bytes:
    """The same, from the cache where it holds it."""
    name = f"{target}-{sources.digest(text, *sources.headers().values(), str(version()))}.cubin"
    path = kept.folder() / name
    if path.exists():
        return path.read_bytes()
    made = compile_source(text, target).cubin
    kept.keep(name, made)
    return made


def figures(log: str) -> Mapping[str, Figures]:
    """What a log of ``--ptxas-options=-v`` says of each kernel."""
    return {
        name: Figures(int(registers), int(stack), int(stores) + int(loads))
        for name, stack, stores, loads, registers in _FIGURES.findall(log)
    }


def _program(text: str) -> ctypes.c_void_p:
    """A program with the headers of the seam."""
    headers, program = sources.headers(), ctypes.c_void_p()
    strings = ctypes.c_char_p * len(headers)
    contents = strings(*(each.encode() for each in headers.values()))
    names = strings(*(each.encode() for each in headers))
    failed = library().nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), b"kernels.cu", len(headers), contents, names
    )
    if failed:
        raise RunError.of("NS938", compiler="NVRTC", problem=f"it takes no program (status {failed})")
    return program


def _text(program: ctypes.c_void_p, what: str) -> bytes:
    """The log or the cubin of a program."""
    size = ctypes.c_size_t()
    getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    contents = ctypes.create_string_buffer(max(size.value, 1))
    getattr(library(), f"nvrtcGet{what}")(program, contents)
    return contents.raw[: size.value].rstrip(b"\0") if what == "ProgramLog" else contents.raw[: size.value]
