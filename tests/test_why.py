"""The page of twelve mistakes: what netspec says on it is what it says today. PyTorch and Keras are not asked again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec.diagnostics.render import render_text
from netspec.lint.engine import lint
from netspec.lint.settings import Settings
from netspec.syntax.source import Source

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "why.md"
CASES = sorted(path for path in (REPOSITORY / "tools" / "why").iterdir() if path.is_dir())


def test_twelve_mistakes_each_with_three_answers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(CASES) == 12
    assert len(re.findall(r"^## ", text, re.M)) == 12
    for name in ("PyTorch", "Keras", "netspec"):
        assert text.count(f"\n**{name}**\n\n```text\n") == 12
    assert re.search(r"PyTorch 2\.13\.\d+, in Keras 3\.\d+\.\d+", text)
    assert "why.md" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_netspec_says(case: Path) -> None:
    spec = case / "spec.yaml"
    source = Source(str(spec.relative_to(REPOSITORY)), spec.read_text(encoding="utf-8"))
    found = lint(source, settings=Settings(ignore=("NS311",)))
    assert found
    assert render_text(found, {source.name: source.text}, color=False).strip() in PAGE.read_text(encoding="utf-8")
    for name in ("in_torch.py", "in_keras.py"):
        compile((case / name).read_text(encoding="utf-8"), name, "exec")
