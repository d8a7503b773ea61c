"""What docs/language.md shows must be true."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from netspec.lint.engine import lint
from netspec.syntax.source import Source

PAGE = Path(__file__).resolve().parent.parent / "docs" / "language.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("text", EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_every_example_of_the_language_is_clean(text: str) -> None:
    if not text.startswith("netspec:"):
        text = f"netspec: 1\ninput: [16, 16, 16]\nlayers:\n{textwrap.indent(text, '  ')}"
    found = [d for d in lint(Source("example.yaml", text)) if d.severity == "error"]
    assert not found, [(d.span, d.message) for d in found]
