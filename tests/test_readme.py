"""What README.md shows must be true."""

from __future__ import annotations

import re
from pathlib import Path

from netspec.lint.engine import lint
from netspec.syntax.source import Source


def test_the_spec_in_the_readme_is_clean(repository: Path) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    specs = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)
    assert len(specs) == 1
    assert lint(Source("README.md", specs[0])) == []


def test_the_example_of_mistakes_has_the_three_that_the_picture_shows(repository: Path) -> None:
    path = repository / "docs" / "examples" / "mistakes.yaml"
    found = lint(Source(path.name, path.read_text(encoding="utf-8")))
    assert [diagnostic.code for diagnostic in found] == ["NS101", "NS201", "NS109"]
    picture = (repository / "docs" / "images" / "lint.svg").read_text(encoding="utf-8")
    assert all(diagnostic.code in picture for diagnostic in found)


def test_every_file_that_the_walk_names_is_there(repository: Path) -> None:
    walk = repository / "docs" / "walk.md"
    links = re.findall(r"\]\((\.\./[^)]+)\)", walk.read_text(encoding="utf-8"))
    assert len(links) > 15
    assert [link for link in links if not (walk.parent / link).exists()] == []
