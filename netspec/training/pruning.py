"""Weights that are pruned: which ones go, and the masks that keep them at 0 from then on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netspec.data.dataset import Array, Part
from netspec.diagnostics.errors import RunError
from netspec.passes.step import AVERAGE, MASK
from netspec.training.accumulate import Turns
from netspec.training.runtime import Runtime


def masks(weights: Mapping[str, Array], share: float, scope: str) -> dict[str, Array]:
    """1 for each weight that stays, 0 for this ``share`` of them: those of the smallest magnitude.

    Of each array, or by ``network`` of all together. Of equal ones the first goes.
    """
    if scope != "network":
        return {name: _mask(array, share) for name, array in weights.items()}
    whole = _mask(np.concatenate([array.ravel() for array in weights.values()]), share) if weights else np.ones(0)
    ends = np.cumsum([array.size for array in weights.values()])[:-1]
    parts = np.split(whole, ends)
    return {name: part.reshape(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


def _mask(array: Array, share: float) -> Array:
    count = round(share * array.size)
    mask = np.ones(array.size, np.float32)
    mask[np.argsort(np.abs(array), axis=None, kind="stable")[:count]] = 0
    return mask.reshape(array.shape)


def prune_weights(runtime: Runtime, updates: int) -> None:
    """Let weights go where the recipe wants it after so many updates; those that have gone stay so.

    Their averages go with them. What is 0 already is smallest, so that the masks only ever lose ones.
    """
    prune, state = runtime.recipe.prune, runtime.state
    if prune is None or not prune.due(updates):
        return
    moments = {slot.name for slot in runtime.moments}
    pruned = [slot.name for slot in runtime.weights if f"{slot.name}:{MASK}" in moments]
    weights = {name: state.read(name) for name in pruned}
    for name, mask in masks(weights, prune.share(updates), prune.scope).items():
        state.write(f"{name}:{MASK}", mask)
        state.write(name, np.where(mask > 0, weights[name], np.float32(0)))
        average = f"{name}:{AVERAGE}"
        if average in moments:
            state.write(average, np.where(mask > 0, state.read(average), np.float32(0)))


def refuse_late_pruning(runtime: Runtime, train: Part) -> None:
    """A RunError where a run ends before all weights that are to go have gone (NS850)."""
    prune, recipe = runtime.recipe.prune, runtime.recipe
    if prune is None:
        return
    updates = Turns(len(train), runtime.split.batch, recipe.accumulate).per_epoch * recipe.epochs
    if prune.end >= updates:
        raise RunError.of("NS850", end=f"{prune.end:,}", updates=f"{updates:,}", sparsity=f"{prune.sparsity:g}")
