"""Small trainings, which the program of the ranks and the tests that compare with it both run."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backend import Backend, find_backend
from netspec.data.dataset import Part, labelled
from netspec.distributed.communicator import ALONE, Communicator
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.loop import run_epochs
from netspec.training.progress import Silence
from netspec.training.runtime import Runtime
from netspec.training.state import read_state

_TRAIN = "train: {{lr: 0.05, epochs: 2, seed: 3, batch: 12{more}}}\n"
_CONV = (
    "netspec: 1\ninput: [6, 6, 2]\nlayers: [{{conv: {{filters: 4, kernel: 3}}}}, {norm}relu, flatten, {{dense: 3}}]\n"
)


def _conv(norm: str = "", more: str = "") -> str:
    return (_CONV + _TRAIN).format(norm=norm, more=more)


COURSES = {
    "plain": _conv(),
    "adam, clipped": _conv(more=", optimizer: {adam: {clip_norm: 0.1}}"),
    "weighted": _conv(more=", loss: {cross_entropy: {class_weights: [0, 5, 0.1]}}"),
    "summed": _conv(more=", accumulate: 2, average: 0.9"),
    "numbers": _conv(more=", loss: mean_squared_error, metrics: [mean_absolute_error]"),
    "normalised": _conv(norm="batch_norm, "),
    "synchronized": _conv(norm="batch_norm, ", more=", sync_batch_norm: true"),
    "synchronized, summed": _conv(
        norm="{batch_norm: {moving_variance: biased}}, ", more=", sync_batch_norm: true, accumulate: 2"
    ),
}
"""By name; the last batch of an epoch has one sample, fewer than there are ranks."""
SAME_FOR_ALL_WORLDS = [name for name in COURSES if name != "normalised"]


def part(samples: int, seed: int, numbers: bool) -> Part:
    """Images and labels, or numbers to learn."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(samples, 6, 6, 2)).astype(np.float32)
    labels: Any = rng.integers(0, 3, samples).astype(np.int32)
    return labelled(images, rng.normal(size=(samples, 3)).astype(np.float32) if numbers else labels)


def run(
    name: str, world: Communicator = ALONE, backend: Backend | None = None
) -> tuple[dict[str, np.ndarray[Any, Any]], list[Any]]:
    """Train, on the processor where no backend is given; the weights and statistics, and the scores of each epoch."""
    spec = load_spec(Source("course.yaml", COURSES[name]))
    runtime = Runtime(spec.graph, spec.recipe, backend or find_backend("numba"), spec.recipe.batch, 1, True, world)
    parts = part(37, 0, name == "numbers"), part(13, 1, name == "numbers")
    results = list(run_epochs(runtime, *parts, Silence(), 2))
    scores = [[each.train.document(), each.validation and each.validation.document()] for each in results]
    return read_state(runtime.state, runtime.weights), scores
