"""Installed plug-ins: packages with entry points in one of netspec's groups.

``importlib.metadata`` takes longer to import and to search than the linter takes for a spec. So it is asked only where
some installed distribution mentions the group at all, which a look at the ``entry_points.txt`` files tells.
"""

from __future__ import annotations

import os
import sys
from functools import cache


def load_plugins(group: str) -> None:
    """Import what installed distributions offer in the entry-point group; what they declare is then registered."""
    if group not in _mentioned_groups():
        return
    from importlib.metadata import entry_points

    for entry in entry_points(group=group):
        entry.load()


@cache
def _mentioned_groups() -> frozenset[str]:
    """Groups of netspec's own (``netspec.ops`` ...) that any distribution on ``sys.path`` has entry points in."""
    found: set[str] = set()
    for folder in sys.path:
        try:
            names = [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for name in names:
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    lines = file.read().splitlines()
            except OSError:
                continue
            found.update(line.strip()[1:-1] for line in lines if line.startswith("[netspec."))
    return frozenset(found)
