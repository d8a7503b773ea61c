"""The examples on the manual pages of rules."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from netspec.lint import configuration
from netspec.lint.settings import DEFAULT, Settings


def settings(page: str, folder: Path) -> Settings:
    """What the TOML below ``Settings:`` says, if the page has any."""
    if "\nSettings:\n" not in page:
        return DEFAULT
    (folder / "pyproject.toml").write_text(example(page, "Settings"), encoding="utf-8")
    configuration._in_folder.cache_clear()
    found = configuration.configuration_for(folder / "example.yaml")
    assert found.diagnostics == ()
    return found.settings


def example(page: str, head: str) -> str:
    """The spec below ``Fails:`` or ``Passes:``."""
    match = re.search(rf"^{head}:\n\n((?:    .*\n|\n)+)", page + "\n", re.MULTILINE)
    assert match, f"the page has no example below '{head}:'"
    return textwrap.dedent(match[1])
