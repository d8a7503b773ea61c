"""The digits: complete, resized as asked, and split the same way in every run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from netspec.data.dataset import Dataset, ReadContext
from netspec.data.digits import load
from netspec.data.split import with_validation
from netspec.diagnostics.errors import RunError


def read(shape: tuple[int, ...] = (8, 8, 1), validation: float = 0.1, seed: int = 1) -> Dataset:
    return with_validation(load(None, ReadContext(None, Path(), shape)), validation, seed)


def test_every_image_is_in_exactly_one_part() -> None:
    dataset = read()
    together = np.concatenate([dataset.train["image"], dataset.validation["image"], dataset.test["image"]])
    expected = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    assert together.shape == (1797, 8, 8, 1)
    assert sorted(map(bytes, together)) == sorted(map(bytes, expected))
    assert (len(dataset.test), len(dataset.validation)) == (359, 144)


def test_every_part_has_the_same_share_of_each_class() -> None:
    dataset = read()
    sizes = np.bincount(load_digits().target)
    for part, share in ((dataset.test, 0.2), (dataset.validation, 0.08)):
        assert np.abs(np.bincount(part["label"]) - sizes * share).max() <= 1


def test_the_test_part_does_not_depend_on_the_seed_and_validation_does() -> None:
    first, again, other = read(), read(), read(seed=2)
    assert first.sha256() == again.sha256()
    assert np.array_equal(first.test["image"], other.test["image"])
    assert not np.array_equal(first.validation["image"], other.validation["image"])
    assert first.sha256() != other.sha256()


def test_no_validation_is_an_empty_part() -> None:
    dataset = read(validation=0.0)
    assert (len(dataset.train), len(dataset.validation)) == (1438, 0)
    assert dataset.validation["image"].shape == (0, 8, 8, 1)


def test_images_grow_to_the_input() -> None:
    dataset = read((28, 20, 1))
    assert dataset.train["image"].shape[1:] == (28, 20, 1)
    assert dataset.train["image"].dtype == np.uint8
    small = read()
    # Bilinear weights sum to one everywhere, so that brightness changes by rounding and the border only.
    assert abs(float(dataset.test["image"].mean()) - float(small.test["image"].mean())) < 3


def test_shrinking_averages_the_area() -> None:
    small, shrunk = read().test["image"][..., 0].astype(float), read((4, 4, 1)).test["image"][..., 0]
    # The triangle filter of twice the width reaches four pixels, with weights 1, 3, 3, 1 of 8, cut off at the border.
    weights = np.array([1, 3, 3, 1]) / 8
    expected = np.einsum("nhw,h,w->n", small[:, 1:5, 1:5], weights, weights)
    # Pillow rounds after each of its two passes: half a level each.
    assert np.abs(shrunk[:, 1, 1] - expected).max() <= 1.01


def test_without_scikit_learn_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(RunError, match="pip install scikit-learn") as caught:
        read()
    assert "\n" not in str(caught.value)
