"""Specs of several files: include and extends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import Diagnostics
from netspec.syntax.load import ReadOptions, read_spec
from netspec.syntax.source import Source, read_source

BLOCKS = "netspec: 1\nblocks:\n  twice: {args: {n: 4}, layers: [{dense: $n}, relu, {dense: $n}]}\n"
BASE = """\
netspec: 1
vars: {units: 4}
input: [3]
layers: [{dense: $units}]
train: {loss: cross_entropy, optimizer: {sgd: {momentum: 0.5}}, lr: {step: {start: 0.1, every: 2}}, epochs: 3}
"""


def read(path: Path, *overrides: str, outside: bool = False) -> tuple[Any, list[str], Diagnostics]:
    source = read_source(path)
    assert isinstance(source, Source)
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics, ReadOptions(allow_outside=outside))
    return spec, [diagnostic.code for diagnostic in diagnostics], diagnostics


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a library of blocks and a base, marked as the root of a project."""
    (tmp_path / ".netspec.toml").touch()
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def test_include_brings_blocks(folder: Path) -> None:
    (folder / "a.yaml").write_text("netspec: 1\ninclude: [blocks.yaml]\ninput: [3]\nlayers: [twice]\n")
    spec, codes, _ = read(folder / "a.yaml")
    assert codes == []
    assert [node.path for node in spec.graph.nodes] == ["twice/dense", "twice/relu", "twice/dense2"]
    assert set(spec.texts) == {str(folder / "a.yaml"), str(folder / "blocks.yaml")}


def test_a_mistake_in_an_included_block_is_told_in_its_file(folder: Path) -> None:
    (folder / "blocks.yaml").write_text(BLOCKS.replace("relu", "rleu"))
    (folder / "a.yaml").write_text("netspec: 1\ninclude: [blocks.yaml]\ninput: [3]\nlayers: [twice]\n")
    _, codes, diagnostics = read(folder / "a.yaml")
    assert codes == ["NS104"]
    (found,) = diagnostics
    assert found.span.file == str(folder / "blocks.yaml")
    assert [Path(note.span.file).name for note in found.notes] == ["a.yaml"]


def test_extends_merges_mappings_and_replaces_lists(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "netspec: 1\nextends: base.yaml\nvars: {units: 6}\ntrain: {epochs: 5, optimizer: {sgd: {nesterov: true}}}\n"
    )
    spec, codes, _ = read(folder / "a.yaml")
    assert codes == []
    assert spec.graph.heads["main"].type.shape == (6,)
    assert (spec.recipe.epochs, spec.recipe.optimizer.momentum, spec.recipe.optimizer.nesterov) == (5, 0.5, True)


def test_another_choice_takes_the_place_of_the_first(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "netspec: 1\nextends: base.yaml\ntrain: {optimizer: adam, lr: {cosine: {peak: 0.2}}}\n"
    )
    spec, codes, _ = read(folder / "a.yaml")
    assert codes == []
    assert repr(spec.recipe.lr).startswith("cosine(peak=0.2")


def test_null_removes(folder: Path) -> None:
    (folder / "a.yaml").write_text("netspec: 1\nextends: base.yaml\ntrain: {lr: null}\n")
    spec, codes, _ = read(folder / "a.yaml")
    assert codes == []
    assert "lr" not in spec.recipe_spans


def test_overrides_reach_what_is_extended(folder: Path) -> None:
    (folder / "a.yaml").write_text("netspec: 1\nextends: base.yaml\n")
    spec, codes, _ = read(folder / "a.yaml", "units=9", "train.epochs=1")
    assert codes == []
    assert (spec.graph.heads["main"].type.shape, spec.recipe.epochs) == ((9,), 1)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("include: [nowhere.yaml]", "NS122", "there is no such file"),
        ("include: [folder]", "NS122", "it is a folder"),
        ("include: [../outside.yaml]", "NS123", "leads out of"),
        ("include: [/etc/passwd]", "NS123", "leads out of"),
        ("include: [link.yaml]", "NS123", "leads out of"),
        ("include: [a.yaml]", "NS124", "a.yaml -> a.yaml"),
        ("include: [list.yaml]", "NS122", "it holds no mapping"),
        ("extends: loop.yaml", "NS124", "loop.yaml -> loop.yaml"),
        ("include: blocks.yaml", "NS102", "a list of files"),
    ],
)
def test_files_that_cannot_be_used(folder: Path, line: str, code: str, words: str) -> None:
    inner = folder / "inner"
    inner.mkdir()
    for name in (".netspec.toml", "list.yaml", "loop.yaml"):
        (inner / name).write_text({"list.yaml": "[1]", "loop.yaml": "netspec: 1\nextends: loop.yaml\n"}.get(name, ""))
    (folder / "outside.yaml").write_text(BLOCKS)
    (inner / "folder").mkdir()
    (inner / "link.yaml").symlink_to(folder / "outside.yaml")
    (inner / "a.yaml").write_text(f"netspec: 1\n{line}\ninput: [3]\nlayers: [relu]\n")
    _, codes, diagnostics = read(inner / "a.yaml")
    assert codes == [code]
    assert words in diagnostics.sorted()[0].message


def test_outside_can_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "a.yaml"
    path.write_text("netspec: 1\ninclude: [../blocks.yaml]\ninput: [3]\nlayers: [twice]\n")
    assert read(path)[1] == ["NS123"]  # and not that the block is unknown
    assert read(path, outside=True)[1] == []


def test_a_block_that_two_files_define(folder: Path) -> None:
    (folder / "a.yaml").write_text(f"{BLOCKS}include: [blocks.yaml]\ninput: [3]\nlayers: [twice]\n")
    _, codes, diagnostics = read(folder / "a.yaml")
    assert codes == ["NS125"]
    assert Path(diagnostics.sorted()[0].notes[0].span.file).name == "blocks.yaml"
