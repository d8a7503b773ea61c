"""The examples on the manual pages of rules."""

from __future__ import annotations

import re
import textwrap


def example(page: str, head: str) -> str:
    """The spec below ``Fails:`` or ``Passes:``."""
    match = re.search(rf"^{head}:\n\n((?:    .*\n|\n)+)", page + "\n", re.MULTILINE)
    assert match, f"the page has no example below '{head}:'"
    return textwrap.dedent(match[1])
