"""Lays losses of netspec over those of PyTorch: the same first weights, the same batches, step by step.

python tools/curves.py [NET ...] --data-dir DIR      writes docs/results/curves-NET.csv; needs the extra bench

Float32 rounds after every sum, and training enlarges what was rounded: after some time any two programs that add in
another order go ways of their own. So how far is too far is not set by hand: PyTorch runs in both of its memory formats
and in float64. netspec should stay by float64 as long as PyTorch's own float32 does.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netspec.bench.case import Case, measured_network, new_runtime
from netspec.core.graph import Graph
from netspec.data.preprocess import fit_preprocessing, transformed
from netspec.data.read import read_dataset
from netspec.declarations.recipe import Recipe
from netspec.interop.pytorch.compare import load_module
from netspec.interop.pytorch.source import torch_source
from netspec.interop.pytorch.training import loss_function, optimizer, to_torch
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.loop import train_step
from netspec.training.position import Position
from netspec.training.runtime import Fed
from netspec.zoo import zoo_path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
BATCH = 64

Array = np.ndarray[Any, np.dtype[Any]]
Step = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Net:
    """What is trained, and how: with the optimiser of the spec, at one learning rate, for so many steps."""

    spec: Path
    settings: tuple[str, ...]
    rate: float
    steps: int = 400


NETS = {
    "lenet5": Net(zoo_path("lenet5"), ("train.data=mnist",), 0.02),
    "vgg_a": Net(ROOT / "docs/examples/staged/vgg_a.yaml", (), 0.02),
    "resnet20": Net(zoo_path("resnet20"), (), 0.01, steps=200),
}
"""Few layers; more of them, without normalisation; many of them, with shortcuts and batch normalisation."""


def read(net: Net) -> Spec:
    """The spec of a net."""
    source = read_source(net.spec)
    assert isinstance(source, Source), source.message
    return load_spec(source, net.settings)


def batches(net: Net, data_dir: Path) -> Iterator[tuple[Array, Array]]:
    """Images as the first layer sees them and their labels, in one random order, without augmentation."""
    spec = read(net)
    part = read_dataset(spec, data_dir, ROOT).train
    recipe = fit_preprocessing(spec.recipe, part)
    order = np.random.default_rng(0).permutation(len(part))
    for step in range(net.steps):
        chosen = part.take(np.take(order, np.arange(step * BATCH, (step + 1) * BATCH), mode="wrap"))
        yield transformed(recipe.preprocess, chosen.inputs["input"]), chosen.targets["main"]


def ours(graph: Graph, recipe: Recipe, case: Case, rate: float) -> tuple[Step, dict[str, Array]]:
    """A step of netspec, and the weights that it starts from."""
    runtime = new_runtime(graph, recipe, case)
    loaded = runtime.load("train", "float32")
    weights = {name: runtime.state.read(name).copy() for name in runtime.weight_shapes}
    steps = 0

    def step(x: Array, y: Array) -> float:
        nonlocal steps
        steps += 1
        return train_step(runtime, loaded, Fed({"input": x}, {"main": y}, BATCH), rate, Position(0, steps))

    return step, weights


def torchs(graph: Graph, recipe: Recipe, weights: Mapping[str, Array], rate: float, form: str) -> Step:
    """A step of PyTorch from the same weights, in ``float32``, that with ``channels_last``, or ``float64``."""
    import torch

    exported = torch_source(graph, recipe)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.py"
        file.write_text(exported.text, encoding="utf-8")
        module: Any = load_module(file, exported.class_name, exported.state(weights))
    if form == "channels_last":
        module = module.to(memory_format=torch.channels_last)
    kind = torch.float64 if form == "float64" else torch.float32
    module = module.to(kind).train()
    loss_of, update = loss_function(graph, recipe), optimizer(module, recipe, rate, exported.tensors)

    def step(x: Array, y: Array) -> float:
        batch = to_torch(x).to(kind)
        update.zero_grad(set_to_none=True)
        loss = loss_of(module(batch), {"main": to_torch(y)})
        loss.backward()
        update.step()
        return float(loss.detach())

    return step


FORMS = ("float64", "float32", "channels_last")


def losses(net: Net, data_dir: Path) -> Iterator[dict[str, float]]:
    """The loss of each step on each side."""
    spec = read(net)
    case = Case("train", BATCH, 1, compared=True, backend="numba")
    graph, recipe = measured_network(spec, case)
    step, weights = ours(graph, recipe, case, net.rate)
    sides = {"netspec": step} | {form: torchs(graph, recipe, weights, net.rate, form) for form in FORMS}
    for x, y in batches(net, data_dir):
        yield {side: step(x, y) for side, step in sides.items()}


def main() -> None:
    """Train the nets that are asked for, and write down their losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all if left out")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR")
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in asked.nets or NETS:
        with (RESULTS / f"curves-{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ["step", "netspec", *FORMS], lineterminator="\n")
            table.writeheader()
            for place, row in enumerate(losses(NETS[name], asked.data_dir), 1):
                table.writerow({"step": place, **{side: f"{loss:.9g}" for side, loss in row.items()}})
                file.flush()


if __name__ == "__main__":
    main()
