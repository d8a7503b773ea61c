"""How many threads this process may really use."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def available_threads() -> int:
    """Cores that the affinity mask allows, or fewer where the control group's CPU quota grants fewer; at least 1."""
    count = len(cores())
    quota = cpu_quota(CONTROL_GROUPS, OWN_GROUP)
    return count if quota is None else max(1, min(count, int(quota)))


def cores() -> set[int]:
    """The cores that this process may use, by their numbers."""
    return set(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def cpu_quota(groups: Path, own: Path) -> float | None:
    """Cores' worth of time that the control group grants (containers set it), ``None`` where there is no limit.

    Reads version 2 (``cpu.max``: quota and period in microseconds) of the process's own group and of all above it,
    and version 1 (``cpu/cpu.cfs_quota_us``).
    """
    path = _own_path(own)
    folders = [groups / part.relative_to("/") for part in (path, *path.parents)]
    found = [_ratio(_words(folder / "cpu.max")) for folder in folders]
    quota, period = (_words(groups / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    found.append(_ratio([*quota, *period]))
    return min((value for value in found if value is not None), default=None)


def _own_path(own: Path) -> PurePosixPath:
    """Path of the process's group in the version 2 hierarchy, from the line ``0::/path``."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    path = next((line.removeprefix("0::") for line in lines if line.startswith("0::/")), "/")
    return PurePosixPath("/") if ".." in path else PurePosixPath(path)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _ratio(words: list[str]) -> float | None:
    """Quota over period; ``max`` and -1 stand for no limit."""
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    quota, period = map(int, words)
    return quota / period if quota and period else None
