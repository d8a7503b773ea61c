"""Networks that 1, 2 and 4 ranks train from the same batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from courses import COURSES, SAME_FOR_ALL_WORLDS, run
from starting import ranks

from netspec.training.state import weights_sha256

ROUNDING = {"rtol": 5e-5, "atol": 5e-6}
"""Sums of float32 gradients that are cut at other places differ in their last bits, which eight updates carry on."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("courses")
    for size in (2, 4):
        (found / str(size)).mkdir()
        done = ranks(size, str(Path(__file__).with_name("courses_of_ranks.py")), str(found / str(size)))
        assert done.returncode == 0, done.stderr
    return found


def said(folder: Path, size: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / str(size) / "found.json").read_text())
    return found


@pytest.mark.parametrize("name", SAME_FOR_ALL_WORLDS)
def test_any_number_of_ranks_trains_what_one_process_does(name: str, folder: Path) -> None:
    alone, scores = run(name)
    for size in (2, 4):
        with np.load(folder / str(size) / f"{name}.npz") as weights:
            for key, array in alone.items():
                np.testing.assert_allclose(weights[key], array, **ROUNDING, err_msg=f"{key} of {size} ranks")
        for epoch, own in zip(said(folder, size)[name][1], scores, strict=True):
            trained, validated = zip(epoch, own, strict=True)
            assert trained[0] == pytest.approx(trained[1], rel=1e-4)
            # A weighted mean over the validation part is a mean of those of its batches, which are others here.
            assert name == "weighted" or validated[0] == pytest.approx(validated[1], rel=1e-4)


def test_the_same_world_trains_the_same_to_the_bit(folder: Path, tmp_path: Path) -> None:
    done = ranks(2, str(Path(__file__).with_name("courses_of_ranks.py")), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "found.json").read_text()) == said(folder, 2)


def test_statistics_of_batch_norm_are_those_of_the_pieces_and_move_alike_on_all_ranks(folder: Path) -> None:
    """The program of the ranks compares them; they are not those of the whole batch, nor far from them."""
    alone, _ = run("normalised")
    assert set(COURSES) == set(said(folder, 4))
    with np.load(folder / "2" / "normalised.npz") as weights:
        moved = weights["batch_norm.moving_variance"]
        assert not np.array_equal(moved, alone["batch_norm.moving_variance"])
        np.testing.assert_allclose(moved, alone["batch_norm.moving_variance"], rtol=0.1)
        assert weights_sha256(dict(weights)) == said(folder, 2)["normalised"][0]
