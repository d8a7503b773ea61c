"""A network of the zoo with weights and a batch, in the form in which programs can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from netspec.bench.case import Case, first_batch, measured_network, new_runtime
from netspec.core.graph import Graph
from netspec.declarations.recipe import Recipe
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.training.runtime import Runtime
from netspec.zoo import zoo_names, zoo_path

Array = np.ndarray[Any, np.dtype[Any]]

QUICK = (
    *("lenet5", "lenet5_1998", "cifar10_quick", "vgg11_bn_cifar", "resnet20", "shufflenet_v1_g3"),
    *("mlp", "siamese", "signal_1d", "two_tasks", "unet_small", "inpainting", "cifar_fast", "volume_3d"),
)
"""Small networks of each kind; of all of them gradients are compared too."""
NETWORKS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in zoo_names()]
BATCH = 2


@dataclass(frozen=True, slots=True)
class Network:
    """Without dropout, and to predict without the last softmax, in which differences drown."""

    graph: Graph
    recipe: Recipe
    runtime: Runtime
    weights: Mapping[str, Array]
    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]


def network(name: str, mode: Literal["train", "infer"]) -> Network:
    """The network called ``name`` with fresh weights: all of them, those of training heads too."""
    source = read_source(zoo_path(name))
    assert isinstance(source, Source)
    case = Case(mode, BATCH, 1, True, "numba")
    graph, recipe = measured_network(load_spec(source), case)
    drawn = new_runtime(graph, recipe, Case("train", BATCH, 1, True, "numba"))
    weights = {name: drawn.state.read(name) for name in drawn.weight_shapes}
    runtime = drawn if mode == "train" else new_runtime(graph, recipe, case, weights)
    return Network(graph, recipe, runtime, weights, *first_batch(graph, recipe, BATCH))
