"""Transforms outside of the graph: fitting them on the training part, computing them, keeping what was fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.data.dataset import Array, Part
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import MinMax, Whiten, is_fitted
from netspec.declarations.whitening import Whitening
from netspec.diagnostics.errors import RunError


def transformed(transforms: Iterable[Any], x: Array) -> Array:
    """float32 samples (N, ...) after these transforms."""
    for transform in transforms:
        if transform.on_host:
            x = transform.apply(x)
        else:
            scale, shift = (np.array(numbers, np.float32) for numbers in transform.numbers(x.shape[-1]))
            x = x * scale + shift
    return x.astype(np.float32, copy=False)


def fit_preprocessing(recipe: Recipe, train: Part) -> Recipe:
    """The recipe with transforms that know their numbers: each is fitted on what those before it make of the inputs."""
    if all(map(is_fitted, recipe.preprocess)):
        return recipe
    arrays = [np.asarray(train[field]) for field in dict.fromkeys(train.feed.inputs.values())]
    done: list[Any] = []
    for transform in recipe.preprocess:
        if not is_fitted(transform):
            _refuse_shapes(transform, arrays)
            transform = transform.fit(arrays)
        done.append(transform)
        if not all(map(is_fitted, recipe.preprocess[len(done) :])):
            arrays = [transformed((transform,), array) for array in arrays]
    return replace(recipe, preprocess=tuple(done))


def _refuse_shapes(transform: Any, arrays: Sequence[Array]) -> None:
    if transform.on_host and len({array.shape[1:] for array in arrays}) > 1:
        name = declaration_of(transform).name
        raise RunError.of("NS512", name=name, problem="the inputs differ in shape, and it is fitted on all of them")


def fitted_numbers(recipe: Recipe) -> dict[str, Array]:
    """What was fitted, as arrays by name, such as ``1.matrix`` of the second transform."""
    found: dict[str, Array] = {}
    for place, transform in enumerate(recipe.preprocess):
        if isinstance(transform, Whitening):
            found |= {f"{place}.mean": transform.mean, f"{place}.matrix": transform.matrix}
        elif isinstance(transform, MinMax) and transform.fitted:
            found |= {f"{place}.min": np.array([transform.min]), f"{place}.max": np.array([transform.max])}
    return found


def with_fitted_numbers(recipe: Recipe, numbers: Mapping[str, Array]) -> Recipe:
    """The recipe with transforms that know the numbers that :func:`fitted_numbers` told of."""
    done: list[Any] = []
    for place, transform in enumerate(recipe.preprocess):
        if isinstance(transform, Whiten) and f"{place}.matrix" in numbers:
            transform = Whitening(numbers[f"{place}.mean"], numbers[f"{place}.matrix"])
        elif isinstance(transform, MinMax) and f"{place}.min" in numbers:
            low, high = (float(numbers[f"{place}.{end}"][0]) for end in ("min", "max"))
            written = transform.min, transform.max  # to the last bit, which the kept ones of float32 are not
            transform = MinMax(
                min=low if written[0] is None else written[0], max=high if written[1] is None else written[1]
            )
        done.append(transform)
    return replace(recipe, preprocess=tuple(done))
