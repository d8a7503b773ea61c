"""The sources of the kernels, and what each kernel declares about itself.

``KERNEL(name, threads, registers)`` is the one place that says how many threads a block has at most and how many
registers a thread may take; the compile check holds every kernel to it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
NOT_CONTRACTED = "// compiled with --fmad=false"
"""Makes NVRTC round a product and a sum apart, so that a chain of ops gives the bits of its links (docs/adr/0011)."""

_KERNEL = re.compile(r"^KERNEL\((\w+),\s*(\d+),\s*(\d+)\)", re.MULTILINE)
_OPTION = re.compile(r"^// compiled with (--\S+)$", re.MULTILINE)
_NEEDS = re.compile(r"^// needs (sm_\w+)$", re.MULTILINE)
_EXPORT = re.compile(r"^EXPORT\((\w+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a kernel declares: threads of a block at most, registers of a thread at most."""

    threads: int
    registers: int


@dataclass(frozen=True, slots=True)
class Module:
    """A source that is compiled as one, and its kernels by name."""

    name: str
    text: str
    kernels: Mapping[str, Declared]

    def compiles_for(self, target: str) -> bool:
        """Whether the architecture has what the source says that it needs, in a line such as ``// needs sm_80``.

        One with a letter, such as ``sm_90a``, is needed as it is.
        """
        needed = _NEEDS.search(self.text)
        if needed is None or needed[1] == target:
            return True
        return needed[1][-1].isdigit() and _number(target) >= _number(needed[1])


def module(name: str, text: str) -> Module:
    """The module of a source text; a ValueError where a kernel is not exported, or twice declared."""
    found = {kernel: Declared(int(threads), int(registers)) for kernel, threads, registers in _KERNEL.findall(text)}
    exported = _EXPORT.findall(text)
    if sorted(exported) != sorted(kernel for kernel, *_ in _KERNEL.findall(text)) or len(found) != len(exported):
        raise ValueError(f"{name}: every KERNEL is declared once and followed by its EXPORT")
    return Module(name, text, found)


def _number(architecture: str) -> int:
    """80 of sm_80, 90 of sm_90a."""
    return int("".join(letter for letter in architecture if letter.isdigit()))


def options(text: str) -> list[str]:
    """What a source asks of NVRTC, in lines such as ``// compiled with --fmad=false``."""
    return _OPTION.findall(text)


@cache
def written() -> Mapping[str, Module]:
    """The modules written by hand, by name."""
    return {path.stem: module(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.cu"))}


@cache
def module_of() -> Mapping[str, str]:
    """The module of each kernel that is written by hand."""
    return {kernel: each.name for each in written().values() for kernel in each.kernels}


@cache
def headers() -> Mapping[str, str]:
    """What modules include, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.cuh"))}


def digest(*facts: str) -> str:
    """A short name for whatever was compiled from these facts."""
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:20]
