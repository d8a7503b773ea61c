"""What is written for PyTorch computes the same there. Wants PyTorch: left out where it is not installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_networks import NETWORKS, QUICK, Network, network

from netspec.core.declare import declaration_of
from netspec.core.reference import Case
from netspec.declarations.losses import MeanSquaredError
from netspec.declarations.recipe import Recipe
from netspec.interop.pytorch.compare import load_module, predict
from netspec.interop.pytorch.source import TorchSource, torch_source
from netspec.interop.pytorch.training import loss_function, to_torch
from netspec.interop.tensors import relative_error
from netspec.testing import all_cases, interpret
from netspec.testing.trials import untouched_trial
from netspec.training.evaluate import predict as ours

pytestmark = pytest.mark.peer

PUBLIC_CASES = [case for case in all_cases() if declaration_of(case.attrs).public]
SAME = 1e-4
"""float32 sums in another order, through a hundred layers, relative to the largest number."""
SAME_GRADIENT = 1e-2
"""Relative to the largest number of all gradients. Normalisation over two samples enlarges what was rounded: with
shufflenet PyTorch's own float32 is 1.4e-3 away from its float64, and netspec 4.6e-3."""
DOUBLE = 1e-6
"""Both are float64, but weights and buffers were float32 once."""


def written(folder: Path, graph: Any, recipe: Recipe) -> tuple[Path, TorchSource]:
    source = torch_source(graph, recipe)
    file = folder / "network.py"
    file.write_text(source.text, encoding="utf-8")
    return file, source


@pytest.mark.parametrize("case", PUBLIC_CASES, ids=str)
def test_written_as_defined(case: Case, tmp_path: Path) -> None:
    import torch

    trial = untouched_trial(case)
    y = {"y": trial.graph.outputs["y"]}
    graph = replace(trial.graph, outputs=y, heads=y)
    file, source = written(tmp_path, graph, Recipe(loss=MeanSquaredError()))
    module: Any = load_module(file, source.class_name, source.state(trial.state))
    with torch.inference_mode():
        tensors = [to_torch(trial.inputs[value.name]).double() for value in graph.inputs]
        found = np.moveaxis(module.double()(*tensors).numpy(), 1, -1)
    wanted = interpret(trial.graph, trial.inputs, trial.batch, trial.state).outputs["y"]
    assert found.shape == wanted.shape
    largest = max(1.0, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(found, wanted, rtol=DOUBLE, atol=DOUBLE * largest)


@pytest.mark.zoo
@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_the_same(name: str, tmp_path: Path) -> None:
    net = network(name, "infer")
    file, source = written(tmp_path, net.graph, net.recipe)
    wanted = ours(net.runtime, dict(net.inputs))
    found = predict(file, source.class_name, source.state(net.weights), net.inputs, list(wanted))
    for head, array in wanted.items():
        assert relative_error(found[head], array) < SAME


@pytest.mark.zoo
@pytest.mark.parametrize("name", QUICK)
def test_learns_the_same(name: str, tmp_path: Path) -> None:
    net = network(name, "train")
    file, source = written(tmp_path, net.graph, net.recipe)
    module: Any = load_module(file, source.class_name, source.state(net.weights))
    module.train()
    found = module(*(to_torch(net.inputs[value.name]) for value in net.graph.inputs))
    loss = loss_function(net.graph, net.recipe)(found, {head: to_torch(t) for head, t in net.targets.items()})
    loss.backward()
    wanted_loss, wanted = gradients(net)
    assert float(loss.detach()) == pytest.approx(wanted_loss, rel=SAME)
    theirs = dict(module.named_parameters())
    compared = [tensor for tensor in source.tensors if tensor.source in wanted]
    assert {tensor.source for tensor in compared} == set(wanted)
    largest = max(float(np.abs(gradient).max()) for gradient in wanted.values())
    for tensor in compared:
        gradient = tensor.turn.apply(wanted[tensor.source or ""])
        np.testing.assert_allclose(
            theirs[tensor.name].grad.numpy(), gradient, rtol=0, atol=SAME_GRADIENT * largest, err_msg=tensor.name
        )


def gradients(net: Network) -> tuple[float, dict[str, Any]]:
    """netspec's loss and its gradients by the name of the parameter."""
    loaded = net.runtime.load("gradients", "float32")
    scalars = net.runtime.scalars(0.0, 1)
    loaded.executable.run(loaded.feed(net.inputs, net.targets), scalars, len(next(iter(net.inputs.values()))))
    names = [name for name in net.runtime.plan("gradients", "float32").graph.outputs if name != "loss"]
    return float(loaded.executable.output("loss")), {name: loaded.executable.output(name) for name in names}
