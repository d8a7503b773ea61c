"""`netspec predict`, on runs of small networks: images, folders, arrays, the standard input, several heads."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.cli import train

Run = Callable[..., Any]

SPEC = """\
netspec: 1
name: bright
input: [4, 4, 1]
layers: [flatten, {dense: 2}]
train:
  {data: {folder: {path: set, resize: stretch}}, preprocess: [min_max], optimizer: adam, lr: 0.1, epochs: 30, batch: 8}
"""
MAPS = """\
netspec: 1
inputs: {left: [4, 4, 1], right: {shape: [4, 4, 1], source: other}}
layers:
  - add:
    from: [left, right]
  - conv: {filters: 2, kernel: 3, padding: same}
heads:
  map: {}
  mean: {layers: [global_avg_pool, {dense: 1}], loss: mean_squared_error}
train: {data: {npz: set.npz}, epochs: 1, batch: 8}
"""


def save(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells dark images from bright ones; what it learnt from is gone."""
    folder = tmp_path_factory.mktemp("bright")
    for number in range(8):
        save(folder / f"set/train/dark/{number}.png", number * 10 + 20)
        save(folder / f"set/train/light/{number}.png", number * 10 + 160)
    (folder / "spec.yaml").write_text(SPEC)
    arguments = [str(folder / "spec.yaml"), "--run-dir", str(folder / "run"), "--quiet"]
    result = CliRunner().invoke(train.command, arguments)
    assert result.exit_code == 0, result.output
    shutil.rmtree(folder / "set")
    return folder / "run"


@pytest.fixture
def bright(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def predict(netspec: Run, *arguments: object) -> dict[str, Any]:
    result = netspec("predict", *arguments, "--format", "json")
    assert result.status == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def test_images_folders_and_arrays(netspec: Run, bright: Path, tmp_path: Path) -> None:
    save(tmp_path / "new/b/light.png", 230, (9, 7))
    save(tmp_path / "new/a.png", 25)
    (tmp_path / "new/notes.txt").write_text("not an image")
    np.save(tmp_path / "one.npy", np.full((4, 4), 30, np.uint8))
    np.save(tmp_path / "two.npy", np.stack([np.full((4, 4, 1), v, np.float32) for v in (20, 240)]))
    found = predict(netspec, bright, "new", "one.npy", "two.npy", "new/b/light.png")
    assert found["version"] == 1
    assert found["classes"] == ["dark", "light"]
    rows = [(row["input"], row["label"]) for row in found["predictions"]]
    assert rows == [
        ("new/a.png", "dark"),
        ("new/b/light.png", "light"),
        ("one.npy", "dark"),
        ("two.npy[0]", "dark"),
        ("two.npy[1]", "light"),
        ("new/b/light.png", "light"),
    ]
    for row in found["predictions"]:
        assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-6)  # of float32
        assert row["label"] == found["classes"][int(np.argmax(row["probabilities"]))]


def test_text_names_the_likeliest_first(netspec: Run, bright: Path, tmp_path: Path) -> None:
    save(tmp_path / "new.png", 240)
    assert netspec("predict", bright, "new.png").out.startswith("new.png: light ")


def test_as_many_classes_are_named_as_are_asked_for(netspec: Run, bright: Path, tmp_path: Path) -> None:
    save(tmp_path / "new.png", 240)
    row = predict(netspec, bright, "new.png", "--top", "5")["predictions"][0]
    assert [place["label"] for place in row["top"]] == ["light", "dark"]
    assert [place["probability"] for place in row["top"]] == row["probabilities"][::-1]
    assert "top" not in predict(netspec, bright, "new.png")["predictions"][0]
    assert "dark" not in netspec("predict", bright, "new.png", "--top", "1").out


def test_what_was_fitted_is_that_of_training(netspec: Run, bright: Path, tmp_path: Path) -> None:
    """min_max of the training part goes from 20 to 230, whatever comes to be predicted."""
    save(tmp_path / "new.png", 20)
    alone = predict(netspec, bright, "new.png")["predictions"][0]["probabilities"]
    save(tmp_path / "other.png", 255)
    assert predict(netspec, bright, "other.png", "new.png")["predictions"][1]["probabilities"] == alone
    (bright / "preprocess.safetensors").unlink()
    result = netspec("predict", bright, "new.png")
    assert result.status == 3
    assert "lacks what its preprocessing learnt" in result.err


@pytest.mark.parametrize("array", [False, True])
def test_the_standard_input(netspec: Run, bright: Path, monkeypatch: pytest.MonkeyPatch, array: bool) -> None:
    stream = io.BytesIO()
    if array:
        np.save(stream, np.full((2, 4, 4, 1), 230, np.uint8))
    else:
        Image.new("L", (4, 4), 230).save(stream, "PNG")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    found = predict(netspec, bright, "-")["predictions"]
    assert [(row["input"], row["label"]) for row in found] == (
        [("-[0]", "light"), ("-[1]", "light")] if array else [("-", "light")]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "'x.png': there is no such file or folder"),
        (lambda p: p.write_bytes(b"none"), "'x.png': it is no image"),
        (lambda p: p.mkdir(), "'x.png': the folder holds no image"),
    ],
)
def test_what_cannot_be_read_is_named(
    netspec: Run, bright: Path, tmp_path: Path, make: Callable[[Path], Any], message: str
) -> None:
    make(tmp_path / "x.png")
    result = netspec("predict", bright, "x.png")
    assert (result.status, result.out) == (3, "")
    assert message in result.err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 5, 5, 1)), "it is an array of 3x5x5x1, but a sample is 4x4x1"),
        (np.array([{}]), "it is no .npy array, or damaged: Object arrays"),
        (np.array(["a"]), "holds <U1, but samples are numbers"),
        (np.zeros((0, 4, 4, 1)), "it is an array without a number in it"),
    ],
    ids=str,
)
def test_arrays_that_do_not_fit(netspec: Run, bright: Path, tmp_path: Path, data: Any, message: str) -> None:
    np.save(tmp_path / "x.npy", data)
    assert message in netspec("predict", bright, "x.npy").err


def test_several_inputs_and_heads(netspec: Run, write: Callable[..., Path], tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((10, 4, 4, 1)).astype(np.float32)
    fields = {"left": images, "other": images, "map": (images[..., 0] > 0.5).astype(np.int32)}
    np.savez(tmp_path / "set.npz", **fields, mean=images.mean(axis=(1, 2, 3)))
    result = netspec("train", write(MAPS), "--run-dir", "run", "--quiet")
    assert result.status == 0, result.err
    np.savez(tmp_path / "new.npz", left=images[:3], right=images[:3])
    found = predict(netspec, "run", "new.npz", "-o", "out.npz")
    assert [row["input"] for row in found["predictions"]] == ["new.npz[0]", "new.npz[1]", "new.npz[2]"]
    heads = found["predictions"][0]["heads"]
    assert heads["map"] == {"shape": [4, 4, 2]}
    with np.load(tmp_path / "out.npz") as written:
        assert written["map"].shape == (3, 4, 4, 2)
        assert written["mean"][0].tolist() == heads["mean"]["values"]
    scores = json.loads(netspec("eval", "run", "--part", "train", "--format", "json").out)
    assert set(scores["metrics"]) == {"map/accuracy", "mean/mean_absolute_error"}
    assert sum(map(sum, scores["confusion"]["map"])) == 10 * 4 * 4
    assert [row["class"] for row in scores["per_class"]["map"]] == ["0", "1"]
    assert "map:\nclass" in netspec("eval", "run", "--part", "train").out
    np.save(tmp_path / "one.npy", images)
    assert "the network has the inputs left, right" in netspec("predict", "run", "one.npy").err
    np.savez(tmp_path / "half.npz", left=images)
    assert "it has no array 'right'" in netspec("predict", "run", "half.npz").err


def test_an_empty_standard_input_is_named(netspec: Run, bright: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    result = netspec("predict", bright, "-")
    assert result.status == 3
    assert "data file '-': the standard input is empty" in result.err


def test_what_was_written_is_told(netspec: Run, bright: Path, tmp_path: Path) -> None:
    np.save("new.npy", np.full((1, 4, 4, 1), 230, np.uint8))
    assert "wrote p.npz\n" in netspec("predict", bright, "new.npy", "-o", "p.npz").err


FIXED = """\
netspec: 1
input: [4, 4, 1]
layers:
  - conv: {filters: 1, kernel: 4, bias: false}
    init: {weight: {constant: 2}}
"""


def test_a_spec_in_which_is_no_chance_wants_no_weights(
    netspec: Run, write: Callable[..., Path], tmp_path: Path
) -> None:
    np.save(tmp_path / "ones.npy", np.ones((1, 4, 4, 1), np.float32))
    found = predict(netspec, write(FIXED, "fixed.yaml"), tmp_path / "ones.npy", "--threads", "1")
    assert found["predictions"][0]["shape"] == [1, 1, 1]
    netspec("predict", tmp_path / "fixed.yaml", tmp_path / "ones.npy", "-o", tmp_path / "out.npz", "--threads", "1")
    assert np.load(tmp_path / "out.npz")["main"].reshape(-1).tolist() == [32.0]
    refused = netspec("predict", write(FIXED.replace("constant", "uniform"), "drawn.yaml"), tmp_path / "ones.npy")
    assert (refused.status, "holds no weights: name them with --weights FILE" in refused.err) == (2, True)
