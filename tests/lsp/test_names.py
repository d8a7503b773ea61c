"""Renaming: whatever a shipped spec names gets another name, and the network stays what it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from netspec.diagnostics import Fix
from netspec.lint.engine import examine
from netspec.lint.fixes import apply
from netspec.lsp.documents import Documents, Examined
from netspec.lsp.mentions import Name
from netspec.lsp.names import Index, refusal, renaming
from netspec.syntax.load import READ
from netspec.syntax.source import Source
from netspec.zoo import zoo_names, zoo_path


def read(text: str, name: str = "/spec.yaml") -> Examined:
    documents = Documents()
    documents.put(name, text)
    return documents.examined(name)


def renamed(examined: Examined, new: dict[Name, str]) -> dict[str, str]:
    """The texts of all files with every one of these names changed."""
    edits = {edit: None for name, word in new.items() for edit in renaming(examined.index.of(name), word)}
    texts = {}
    for file, text in examined.texts.items():
        texts[file] = apply(text, [Fix("", tuple(edit for edit in edits if edit.span.file == file))])[0]
    return texts


def network(texts: dict[str, str], name: str) -> tuple[object, ...]:
    opened = {Path(file): text for file, text in texts.items()}
    report = examine(Source(name, texts[name]), options=READ._replace(opened=opened))
    assert report.facts is not None
    nodes = report.facts.graph.nodes
    findings = Counter((d.code, d.span.line) for d in report.diagnostics)
    return [(n.op.name, n.output.type) for n in nodes], report.facts.cost.totals, findings


@pytest.mark.parametrize("spec", zoo_names())
def test_everything_in_a_shipped_spec_can_be_renamed(spec: str) -> None:
    name = str(zoo_path(spec))
    examined = read(zoo_path(spec).read_text(), name)
    before = network(dict(examined.texts), name)
    names = {mention.name for mention in examined.index.mentions if mention.is_definition}
    new = {known: f"new_{known.name}" for known in names if f"new_{known.name}".replace("-", "_").isidentifier()}
    assert all(refusal(known, word, examined.index.taken(known)) is None for known, word in new.items())
    texts = renamed(examined, new)
    assert network(texts, name) == before


def test_a_name_is_looked_up_where_its_block_is_used() -> None:
    examined = read(
        """\
netspec: 1
input: [8, 8, 4]
blocks:
  back:
    args: {to: required, act: relu}
    layers:
      - add:
        from: [input, $to]
      - add:
        from: [input, outer]
      - $act
  wrap:
    args: {where: required}
    layers:
      - back: {to: $where, act: unit}
  unit:
    layers: [relu]
layers:
  - conv: {filters: 4, kernel: 1}
    name: outer
  - layers:
      - relu:
        name: inner
    name: group
  - wrap: outer
  - add:
      one:
        - conv: {filters: 4, kernel: 1}
          name: deep
      two: []
    name: sum
  - add:
    from: [group/inner, outer, sum/one/deep, /outer]
expect:
  shapes: {group/inner: [8, 8, 4]}
"""
    )
    assert [d.code for d in examined.diagnostics if d.severity == "error"] == []
    index = examined.index
    lines = {
        (name.kind, name.name): sorted({m.span.line for m in index.of(name)})
        for name in {mention.name for mention in index.mentions}
    }
    assert lines["layer", "outer"] == [10, 20, 25, 33]
    assert lines["layer", "inner"] == [23, 33, 35]
    assert lines["layer", "group"] == [24, 33, 35]
    assert lines["layer", "deep"] == [29, 33]
    assert lines["layer", "sum"] == [31, 33]
    assert lines["block", "unit"] == [15, 16]
    assert lines["argument", "to"] == [5, 8, 15]
    assert lines["argument", "where"] == [13, 15]


def test_names_of_half_a_spec_do_no_harm() -> None:
    for text in ("blocks: 3", "blocks: {a: 3}", "layers: {a: 3}", "blocks: {a: {args: 3, layers: [a: 1]}}", "- a"):
        index: Index = read(text).index
        assert all(mention.span.line == 1 for mention in index.mentions)


@pytest.mark.parametrize(
    ("old", "new", "free"),
    [
        (Name("var", "", "width"), "filters", False),  # the block's argument would hide it
        (Name("var", "", "classes"), "filters", True),
        (Name("argument", "unit", "filters"), "width", False),  # it would hide the var
        (Name("argument", "unit", "filters"), "classes", True),
        (Name("var", "", "classes"), "width", False),
        (Name("block", "", "unit"), "other", False),
        (Name("block", "", "unit"), "conv", False),
        (Name("layer", "/spec.yaml:11:3", "a"), "b", False),
        (Name("layer", "/spec.yaml:11:3", "a"), "input", False),
        (Name("layer", "/spec.yaml:11:3", "a"), "c-1", True),
    ],
)
def test_a_new_name_hides_nothing(old: Name, new: str, free: bool) -> None:
    index = read(
        """\
netspec: 1
vars: {classes: 3, width: 4}
input: [4]
blocks:
  unit:
    args: {filters: required}
    layers:
      - dense: $(filters + width)
  other: {layers: [relu]}
layers:
  - unit: 3
    name: a
  - other:
    name: b
"""
    ).index
    assert any(mention.name == old for mention in index.mentions)
    assert (refusal(old, new, index.taken(old)) is None) is free
