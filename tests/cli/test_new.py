"""``netspec new``: specs that are clean and train, and files that are never touched."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.cli.templates import TEMPLATES

Netspec = Callable[..., Any]

SHAPES = ["28x28x1", "33x17x3", "4,4,1", "224x224x3", "64x2", "5x6x7x2"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_what_it_writes_is_clean(netspec: Netspec, template: str, shape: str) -> None:
    status, out, err = netspec("new", "mine", "--template", template, "--input", shape, "--classes", 7)
    assert (status, out, err) == (0, "wrote mine.yaml\n", "")
    status, out, err = netspec("lint", "mine.yaml")
    assert (status, err) == (0, "")
    assert "1 spec is clean" in out
    text = Path("mine.yaml").read_text(encoding="utf-8")
    assert all(len(line) <= 120 for line in text.splitlines())
    document = json.loads(netspec("summary", "mine.yaml", "--format", "json").out)
    assert document["input"] == [int(side) for side in shape.replace("x", ",").split(",")]
    assert document["outputs"] == {"main": [7]}


def test_features_in_a_row(netspec: Netspec) -> None:
    assert netspec("new", "row", "--template", "mlp", "--input", "16").status == 0
    text = Path("row.yaml").read_text(encoding="utf-8")
    assert "input: [16]  " in text
    assert "flatten" not in text
    assert "divide" not in text
    assert netspec("lint", "row.yaml").status == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_digits_are_named_where_they_fit(netspec: Netspec, template: str) -> None:
    netspec("new", "fits", "--template", template)
    assert "  data: digits  " in Path("fits.yaml").read_text(encoding="utf-8")
    netspec("new", "colour", "--template", template, "--input", "28x28x3")
    assert "  # data: name it here" in Path("colour.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_it_writes_trains(netspec: Netspec, template: str) -> None:
    netspec("new", "mine", "--template", template, "--input", "8x8x1")
    status, out, _ = netspec("train", "mine.yaml", "--epochs", 2, "--run-dir", "run", "--format", "json")
    assert status == 0
    assert json.loads(out)["metrics"]["train"]["accuracy"] > 0.5  # of ten classes, after 82 steps


def test_a_file_that_is_there_is_left_as_it_is(netspec: Netspec) -> None:
    Path("mine.yaml").write_text("precious", encoding="utf-8")
    status, out, err = netspec("new", "mine")
    assert (status, out) == (2, "")
    assert err.endswith("Error: 'mine.yaml' is there already, and was left as it is; take another name\n")
    assert Path("mine.yaml").read_text(encoding="utf-8") == "precious"


def test_a_folder_and_an_ending(netspec: Netspec) -> None:
    Path("nets").mkdir()
    assert netspec("new", "nets/first.yml").out == "wrote nets/first.yml\n"
    assert "name: first\n" in Path("nets/first.yml").read_text(encoding="utf-8")
    result = netspec("new", "nowhere/first")
    assert result.status == 2
    assert "'nowhere/first.yaml' cannot be written: No such file or directory" in result.err


def test_a_name_that_yaml_would_not_take_for_one(netspec: Netspec) -> None:
    netspec("new", "True")
    assert json.loads(netspec("summary", "True.yaml", "--format", "json").out)["name"] == "True"


@pytest.mark.parametrize("name", ["7", "a b", ".hidden", "a: b", "-x.yaml", "a#b"])
def test_what_cannot_be_a_name(netspec: Netspec, name: str) -> None:
    result = netspec("new", "--", name)
    assert result.status == 2
    assert "cannot be a name: a letter, then letters, digits, '_' and '-'" in result.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("shape", ["", "28x", "0x4x1", "28x28x1x1x1", "a", "-3x4x1"])
def test_what_is_no_shape(netspec: Netspec, shape: str) -> None:
    result = netspec("new", "mine", f"--input={shape}")
    assert result.status == 2
    assert f"{shape!r} is not a shape such as 28x28x1" in result.err


@pytest.mark.parametrize("shape", ["16", "3x28x1"])
def test_what_is_no_image(netspec: Netspec, shape: str) -> None:
    result = netspec("new", "mine", "--input", shape)
    assert result.status == 2
    assert "sides of at least 4 and channels behind them make one" in result.err


def test_a_full_disk_leaves_no_half_of_a_spec(netspec: Netspec, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(path: Path, *arguments: object, **options: object) -> Full:
        path.touch()
        return Full()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", opened)
        status, out, err = netspec("new", "first")
    assert (status, out) == (3, "")
    assert "[NS994] 'first.yaml' cannot be written: No space left on device" in err
    assert netspec("new", "first").status == 0
