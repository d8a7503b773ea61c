"""What the machine tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def lines_of(file: Path) -> list[str]:
    """The lines of one of the system's files; none where there is no such file."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def fields_of(file: Path) -> Mapping[str, int]:
    """The number behind the first word of each line."""
    words = (line.split() for line in lines_of(file))
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdecimal()}


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be had without swapping, ``None`` where the system does not tell (only Linux does so here).

    ``root`` is where ``proc`` is.
    """
    kibibytes = fields_of(root / "proc/meminfo").get("MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024
