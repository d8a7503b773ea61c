"""How much memory this process takes, from Linux; 0 where it is not told."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _kilobytes(field: str) -> int:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)


def resident_bytes() -> int:
    """Memory that is in use now."""
    return _kilobytes("VmRSS") * 1024


def peak_bytes() -> int:
    """The most that was in use since the start, or since :func:`restart_peak`."""
    return _kilobytes("VmHWM") * 1024


def restart_peak() -> None:
    """Count the peak from now on, where the system allows it."""
    try:
        CLEAR.write_text("5")  # proc(5): resets the peak resident set size
    except OSError:
        return
