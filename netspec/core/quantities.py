"""Counts and sizes as a person writes them: ``61706``, ``1.2M``, ``500MB``, ``8GiB``."""

from __future__ import annotations

import re

_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9}
UNITS = {
    "": 1,
    "B": 1,
    "bytes": 1,
    "KB": 10**3,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    **_DECIMAL,
    **{f"{prefix}B": factor for prefix, factor in _DECIMAL.items()},
}
"""By what may stand behind a number."""
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def quantity(text: str) -> float | None:
    """The number that a text says, whole where it is that; ``None`` where it says none."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in UNITS:
        return None
    found = float(match[1]) * UNITS[match[2]]
    return int(found) if found.is_integer() else found
