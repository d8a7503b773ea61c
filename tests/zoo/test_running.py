"""Every network runs at its real size: it predicts for one sample, and steps of training lower its loss.

The quick ones run always; ``pytest -m zoo`` runs all that ship, and those that prove the language.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.optimizers import Sgd
from netspec.plan import Plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.runtime import Loaded, Runtime
from netspec.zoo import zoo_names, zoo_path

Array = np.ndarray[Any, np.dtype[Any]]

QUICK = (
    *("lenet5", "lenet5_1998", "cifar10_quick", "vgg11_bn_cifar", "resnet20", "mobilenet_v1", "shufflenet_v1_g3"),
    *("mlp", "siamese", "signal_1d", "two_tasks", "unet_small", "inpainting", "cifar_fast", "fashion_cnn", "volume_3d"),
)
"""At least one small network of each kind."""

LANGUAGE = {path.stem: path for path in (Path(__file__).resolve().parent / "language").glob("*.yaml")}

BATCH = 2
THREADS = 1
"""Two would only wait for each other where tests run side by side; the bits are the same."""
RATE = 0.001
"""How far a step goes: its gradient is shortened to a length of 1 at most, so that no network overshoots."""


NETWORKS = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in (*zoo_names(), *sorted(LANGUAGE))
]


def load(name: str) -> Spec:
    source = read_source(LANGUAGE.get(name) or zoo_path(name))
    assert isinstance(source, Source)
    return load_spec(source)


def numbers(type: TensorType, classes: int, samples: int, seed: int) -> Array:
    """Class numbers where the type is one of whole numbers, else numbers like those of a normalised image."""
    generator = np.random.default_rng(seed)
    if type.dtype == "int32":
        return generator.integers(0, classes, (samples, *type.shape), np.int32)
    return generator.uniform(0, 1, (samples, *type.shape)).astype(np.float32)


def feed(plan: Plan, network: Graph, samples: int) -> dict[str, Array]:
    """A batch for all inputs and targets of a plan, the same each time."""
    classes = {f"target/{name}": head.type.channels for name, head in network.heads.items()}
    classes["target"] = next(iter(network.heads.values())).type.channels
    return {
        value.name: numbers(value.type, classes.get(value.name, 0), samples, seed)
        for seed, value in enumerate(plan.graph.inputs)
    }


def step(runtime: Runtime, loaded: Loaded, batch: dict[str, Array]) -> float:
    """One step of training; the loss from before it. It is always the first step's dropout that is drawn."""
    loaded.executable.run(batch, runtime.scalars(RATE, 1), BATCH)
    return float(loaded.executable.output("loss"))


@pytest.mark.zoo
@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_and_learns(name: str) -> None:
    spec = load(name)
    # Without preprocessing, which would want bytes: what comes in is what the first layer is to see.
    recipe = replace(spec.recipe, optimizer=Sgd(clip_norm=1.0), preprocess=())
    runtime = Runtime(spec.graph, recipe, find_backend("numba"), BATCH, THREADS)

    predicted = runtime.load("predict", "float32").executable
    predicted.run(feed(runtime.plan("predict", "float32"), spec.graph, 1), {}, 1)
    for head in runtime.plan("predict", "float32").graph.heads:
        output = predicted.output(head)
        assert output.shape == (1, *spec.graph.heads[head].type.shape)
        assert np.isfinite(output).all()
        if recipe.head(head).loss.absorbs == "softmax":
            # float32 sums of up to a thousand probabilities, each rounded once
            np.testing.assert_allclose(output.sum(axis=-1), 1.0, rtol=1e-5)

    loaded = runtime.load("train", "float32")
    batch = feed(runtime.plan("train", "float32"), spec.graph, BATCH)
    losses = [step(runtime, loaded, batch) for _ in range(3)]
    assert all(map(math.isfinite, losses))
    assert losses[0] > losses[1] > losses[2]
