"""The published files themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.dataset import ReadContext
from netspec.data.idx import load
from netspec.declarations.sources import FashionMnist, Mnist


@pytest.mark.data
@pytest.mark.parametrize(
    ("source", "mean", "std"),
    # The figures that everyone normalises these two with.
    [(Mnist(), 0.1307, 0.3081), (FashionMnist(), 0.2860, 0.3530)],
)
def test_the_published_files_are_read(source: Any, mean: float, std: float) -> None:
    context = ReadContext(Path(os.environ["NETSPEC_DATA"]), Path(), (28, 28, 1))
    dataset = load(source, context)
    assert dataset.train["image"].shape == (60_000, 28, 28, 1)
    assert dataset.test["image"].shape == (10_000, 28, 28, 1)
    counts = np.bincount(dataset.train["image"].reshape(-1), minlength=256) / dataset.train["image"].size
    levels = np.arange(256) / 255
    found = float(counts @ levels)
    assert found == pytest.approx(mean, abs=5e-5)  # four digits are given
    assert np.sqrt(counts @ (levels - found) ** 2) == pytest.approx(std, abs=5e-5)
