"""Class weights that follow from the data: ``class_weights: balanced``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from netspec.core.declare import attributes_of, declaration_of
from netspec.core.graph import Graph
from netspec.data.dataset import Array, Part
from netspec.declarations.losses import BALANCED
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError

_AT_A_TIME = 256
"""Samples whose labels are counted at once."""


def balanced_heads(recipe: Recipe, heads: Iterable[str]) -> list[str]:
    """Those of these heads whose class weights are yet to be found."""
    return [name for name in heads if getattr(recipe.head(name).loss, "class_weights", None) == BALANCED]


def is_balanced(recipe: Recipe) -> bool:
    """Whether class weights of the recipe are yet to be found, at whatever head."""
    losses = [recipe.loss, *(head.loss for head in recipe.heads.values())]
    return any(getattr(loss, "class_weights", None) == BALANCED for loss in losses)


def balance(recipe: Recipe, network: Graph, train: Part) -> Recipe:
    """The recipe with weights in the place of ``balanced``: N / (C · n) for a class that N labels of C classes hold n
    times (King and Zeng 2001), 0 for one that does not occur. A RunError where the labels are no class numbers.
    """
    found = {}
    for name in balanced_heads(recipe, network.heads):
        labels, classes = train.targets[name], network.heads[name].type.channels
        if labels.dtype.kind not in "iu":
            raise RunError.of("NS521", head=name, found=str(labels.dtype))
        counts = _counts(labels, classes).astype(np.float64)
        with np.errstate(divide="ignore"):
            found[name] = np.where(counts > 0, counts.sum() / (classes * counts), 0.0)
    return with_class_weights(recipe, found)


def _counts(labels: Array, classes: int) -> Array:
    """How often each class occurs. Maps may be decoded on demand, and are not all held at once."""
    counts = np.zeros(classes, np.int64)
    for begin in range(0, len(labels), _AT_A_TIME):
        some = np.asarray(labels[np.arange(begin, min(begin + _AT_A_TIME, len(labels)))])
        counts += np.bincount(some.reshape(-1), minlength=classes)
    return counts


def with_class_weights(recipe: Recipe, weights: Mapping[str, Array]) -> Recipe:
    """The recipe with these weights at the heads of that name. They are rounded to float32, as files hold them."""
    heads = dict(recipe.heads)
    for name, array in weights.items():
        said = recipe.head(name)
        numbers = tuple(float(weight) for weight in array.astype(np.float32))
        made = declaration_of(said.loss).make(**{**attributes_of(said.loss), "class_weights": numbers})
        heads[name] = replace(said, loss=made)
    return replace(recipe, heads=heads) if weights else recipe


def known_weights(recipe: Recipe) -> dict[str, Array]:
    """The weights that heads have of their own, by the head's name."""
    own = {name: getattr(head.loss, "class_weights", None) for name, head in recipe.heads.items()}
    return {name: np.array(weights, np.float32) for name, weights in own.items() if isinstance(weights, tuple)}
