"""A real browser for the tests that are marked `browser`: which one, or why there is none."""

from __future__ import annotations

import importlib.util
import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
VARIABLE = "NETSPEC_BROWSER"


def find_browser() -> str | None:
    """The program of a Chromium: what ``NETSPEC_BROWSER`` names, else one in the path."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return next((path for path in map(shutil.which, NAMES) if path), None)


def browser_missing() -> str | None:
    """Why no page can be opened; ``None`` where one can."""
    if find_browser() is None:
        return f"no Chromium is installed, and {VARIABLE} names none"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return None
