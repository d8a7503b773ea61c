"""Whole steps on the GPU: what the Numba backend computes, the same bits again, recordings, streams, full memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.reference import UNIT_ROUNDOFF
from netspec.diagnostics import RunError
from netspec_cupy.backend import CupyBackend

pytestmark = pytest.mark.gpu

NETWORKS = ("zoo:lenet5", "zoo:resnet20")
RATE = 1e-3
CLOSE = 1e-4
"""Sums of float32 in another order, grown by the batch normalisations of twenty layers."""


def batch(spec: netspec.Spec, samples: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(1)
    shape = spec.graph.inputs[0].type.shape
    return generator.integers(0, 256, (samples, *shape)).astype(np.uint8), generator.integers(0, 10, samples)


def losses(name: str, backend: Any, samples: int, steps: int, precision: str = "float32") -> list[float]:
    spec = netspec.load(name, f"train.precision={precision}")
    images, labels = batch(spec, samples)
    model = spec.compile(batch=samples, backend=backend)
    return [model.step(images, labels, rate=RATE)["loss"] for _ in range(steps)]


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_those_of_the_numba_backend(backend: CupyBackend, name: str) -> None:
    assert losses(name, backend, 4, 3) == pytest.approx(losses(name, "numba", 4, 3), rel=CLOSE)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_rounded_steps_stay_close(backend: CupyBackend, name: str, precision: str) -> None:
    found, exact = losses(name, backend, 4, 1, precision), losses(name, backend, 4, 1)
    assert found == pytest.approx(exact, rel=2 * UNIT_ROUNDOFF[precision])


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_gives_the_same_bits(backend: CupyBackend, name: str, precision: str) -> None:
    spec = netspec.load(name, f"train.precision={precision}")
    images, labels = batch(spec, 8)
    found = []
    for _ in range(2):
        model = spec.compile(batch=8, backend=backend)
        for _ in range(4):
            model.step(images, labels)
        found.append({weight: array.tobytes() for weight, array in model.weights.items()})
    assert found[0] == found[1]


def test_a_recording_computes_what_single_launches_do(backend: CupyBackend) -> None:
    """The first step is launched as it is, the second is recorded, all later ones are started as a whole."""
    spec = netspec.load("zoo:lenet5")
    images, labels = batch(spec, 4)
    recorded, fresh = (spec.compile(batch=4, backend=backend) for _ in range(2))
    for _ in range(3):
        recorded.step(images, labels, rate=0.0)
    assert recorded.step(images, labels, rate=0.0) == fresh.step(images, labels, rate=0.0)


def test_networks_that_take_turns_do_not_get_in_each_others_way(backend: CupyBackend) -> None:
    spec = netspec.load("zoo:lenet5")
    images, labels = batch(spec, 4)
    alone = losses("zoo:lenet5", backend, 4, 4)
    models = [spec.compile(batch=4, backend=backend) for _ in range(2)]
    found = [[model.step(images, labels, rate=RATE)["loss"] for model in models] for _ in range(4)]
    assert found == [[loss, loss] for loss in alone]


def test_full_memory_is_told_with_what_would_fit(backend: CupyBackend) -> None:
    spec = netspec.load("zoo:lenet5")
    images, labels = batch(spec, 4)
    with pytest.raises(RunError, match="NS902") as caught:
        spec.compile(batch=2**24, backend=backend).step(images, labels)
    assert "a batch of " in str(caught.value)
