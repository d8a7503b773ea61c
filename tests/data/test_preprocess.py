"""Transforms that learn from the training part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.data.dataset import Array, labelled
from netspec.data.preprocess import fit_preprocessing, fitted_numbers, transformed, with_fitted_numbers
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide, MinMax, Normalize, Whiten
from netspec.diagnostics.errors import RunError
from netspec.training.fitted import FITTED, keep_fitted, with_kept_numbers

RANDOM = np.random.default_rng(4)
MIXING = RANDOM.normal(size=(12, 12))
IMAGES = (RANDOM.normal(size=(400, 12)) @ MIXING * 8 + 120).clip(0, 255).astype(np.uint8).reshape(400, 2, 2, 3)
PART = labelled(IMAGES, np.zeros(400, np.int32))


def fitted(*transforms: Any) -> Recipe:
    return fit_preprocessing(Recipe(preprocess=transforms), PART)


def test_min_max_takes_what_is_not_written_from_the_training_part() -> None:
    assert fitted(MinMax()).preprocess == (MinMax(min=float(IMAGES.min()), max=float(IMAGES.max())),)
    assert fitted(MinMax(min=-1)).preprocess == (MinMax(min=-1, max=float(IMAGES.max())),)
    found = transformed(fitted(MinMax()).preprocess, IMAGES)
    assert (found.min(), found.max()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-6))  # of float32


def test_a_constant_is_no_division_by_zero() -> None:
    part = labelled(np.full((3, 2, 2, 1), 7, np.uint8), np.zeros(3, np.int32))
    (transform,) = fit_preprocessing(Recipe(preprocess=(MinMax(),)), part).preprocess
    assert (transformed([transform], part["image"]) == 0).all()


@pytest.mark.parametrize("method", ["zca", "pca"])
@pytest.mark.parametrize(("over", "size"), [("pixels", 12), ("channels", 3)])
def test_whitened_numbers_are_uncorrelated_and_of_variance_one(method: str, over: str, size: int) -> None:
    recipe = fitted(Divide(by=255), Whiten(method=method, over=over, eps=1e-9))
    found = transformed(recipe.preprocess, IMAGES).reshape(-1, size).astype(float)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)  # what float32 leaves of sums of some thousand
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(size), atol=1e-3)


def test_zca_stays_near_and_pca_orders_by_variance() -> None:
    (zca,) = fitted(Whiten(eps=1e-3)).preprocess
    np.testing.assert_allclose(zca.matrix, zca.matrix.T, atol=1e-5)  # symmetric but for rounding
    (pca,) = fitted(Whiten(method="pca", eps=1e-3)).preprocess
    lengths = np.linalg.norm(pca.matrix, axis=0)
    assert (np.diff(lengths) > 0).all()  # 1/σ grows as the variance falls


def test_what_stands_before_a_transform_on_the_host_is_computed_there_too() -> None:
    recipe = Recipe(preprocess=(Divide(by=255), Whiten(), Normalize(mean=(0.5,), std=(2.0,))))
    assert recipe.host_preprocess == recipe.preprocess[:2]
    assert recipe.graph_preprocess == recipe.preprocess[2:]
    assert Recipe(preprocess=(Divide(by=255),)).host_preprocess == ()


def test_inputs_of_several_shapes_are_not_whitened_together() -> None:
    part = type(PART)(
        {**PART.fields, "other": IMAGES[:, :1]}, type(PART.feed)({"a": "image", "b": "other"}, {"main": "label"})
    )
    with pytest.raises(RunError, match=r"NS512.*'whiten' does not go with .*the inputs differ in shape"):
        fit_preprocessing(Recipe(preprocess=(Whiten(),)), part)
    assert fit_preprocessing(Recipe(preprocess=(MinMax(),)), part).preprocess[0].fitted


def same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b)


def test_fitted_numbers_survive_the_run_directory(tmp_path: Path) -> None:
    written = Recipe(preprocess=(MinMax(min=0.1), Whiten()))
    recipe = fit_preprocessing(written, PART)
    keep_fitted(tmp_path, recipe)
    found = with_kept_numbers(written, tmp_path)
    assert found.preprocess[0] == recipe.preprocess[0]
    assert same(transformed(found.preprocess, IMAGES), transformed(recipe.preprocess, IMAGES))
    assert fitted_numbers(with_fitted_numbers(written, {})) == {}


def test_a_run_without_its_fitted_numbers(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lacks what its preprocessing learnt"):
        with_kept_numbers(Recipe(preprocess=(Whiten(),)), tmp_path)
    keep_fitted(tmp_path, fitted(MinMax()))
    with pytest.raises(RunError, match=rf"NS904.*{FITTED}.*not of the preprocessing of this run"):
        with_kept_numbers(Recipe(preprocess=(Whiten(),)), tmp_path)
    keep_fitted(tmp_path, Recipe(preprocess=(Divide(by=2.0),)))  # nothing is written over what is there
    assert with_kept_numbers(Recipe(preprocess=(MinMax(),)), tmp_path).preprocess[0].fitted


SPEC = """
netspec: 1
input: [2, 2, 3]
layers: [flatten, {{dense: 2}}]
train: {{preprocess: {preprocess}, batch: 32, seed: 1}}
"""


@pytest.mark.parametrize("preprocess", ["[min_max]", "[{divide: 255}, whiten, {normalize: {mean: 0, std: 2}}]"])
def test_a_model_fits_its_preprocessing_first(preprocess: str) -> None:
    model = netspec.load(SPEC.format(preprocess=preprocess)).compile(threads=1)
    with pytest.raises(RunError, match=r"NS510.*learns its numbers from the training part"):
        model.predict(IMAGES)
    labels = (IMAGES[:, 0, 0, 0] > IMAGES[:, 0, 0, 1]).astype(int)
    assert model.fit(IMAGES, labels, epochs=15)[-1]["metrics"]["accuracy"] > 0.85
    assert model.predict(IMAGES).shape == (400, 2)
