"""A training step of a spec against PyTorch's, interleaved in one process, after their results have been compared.

    python tools/compare_torch.py zoo:lenet5 --batch 64 --threads 2

Wants the extra ``bench``. The peer is built from the same graph, with the same weights and the same optimiser; it runs
eagerly, in both memory formats. What is printed are medians, and their ratio: above 1 netspec is ahead.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import netspec
from netspec.core.graph import Graph, Node, Value
from netspec.declarations.recipe import Recipe

PAUSE = 0.02
"""Seconds between two sides: the threads of one runtime spin for a while after their last work."""
Array = Any


class Peer(nn.Module):  # type: ignore[misc]  # PyTorch is not there when types are checked
    """The network of a graph as PyTorch modules, with netspec's weights."""

    def __init__(self, graph: Graph, weights: Any) -> None:
        super().__init__()
        self.graph = graph
        self.layers = nn.ModuleDict()
        self._flattened: dict[Value, tuple[int, ...]] = {}
        for node in graph.nodes:
            module = self._module(
                node, {name: np.array(weights[node.parameter(name).name]) for name in node.parameters}
            )
            self.layers[node.path.replace("/", "-")] = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) for images (N, C, H, W)."""
        values = {self.graph.inputs[0]: x}
        for node in self.graph.nodes:
            inputs = [values[value] for value in node.data]
            layer = self.layers[node.path.replace("/", "-")]
            values[node.output] = sum(inputs) if node.op.name == "add" else layer(*inputs)
        return values[self.graph.heads["main"]]

    def _module(self, node: Node, weights: dict[str, Array]) -> nn.Module:
        x, attrs, op = node.data[0].type, node.attrs, node.op.name
        if op == "conv":
            return _convolution(attrs, x, weights)
        if op == "dense":
            return _dense(weights, self._flattened.get(node.data[0]))
        if op == "batch_norm":
            return _batch_norm(attrs, x, weights)
        if op == "max_pool":
            window = attrs.geometry(x)
            return nn.MaxPool2d(window.size, window.stride, window.before)
        if op == "avg_pool":
            window = attrs.geometry(x)
            return nn.AvgPool2d(window.size, window.stride, window.before, count_include_pad=attrs.count_padding)
        if op == "flatten":
            self._flattened[node.output] = x.shape
            return nn.Flatten()
        if op == "global_avg_pool":
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        simple: dict[str, Callable[[], nn.Module]] = {
            "relu": nn.ReLU,
            "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid,
            "softmax": nn.Identity,  # the loss takes logits
            "add": nn.Identity,
        }
        if op in simple:
            module = simple[op]()
            if op in ("relu", "tanh", "sigmoid") and node.data[0] in self._flattened:
                self._flattened[node.output] = self._flattened[node.data[0]]
            return module
        raise SystemExit(f"no peer for {op!r}")


def _convolution(attrs: Any, x: Any, weights: dict[str, Array]) -> nn.Module:
    window, after = attrs.geometry(x), attrs.padding_after(x)
    if window.before != after:
        raise SystemExit("the peer pads both sides alike")
    module = nn.Conv2d(
        x.channels, attrs.filters, window.size, window.stride, window.before, window.dilation, attrs.groups, attrs.bias
    )
    # [*window, c_in, c_out] -> [c_out, c_in, *window]
    module.weight.data = torch.from_numpy(np.ascontiguousarray(weights["weight"].transpose(3, 2, 0, 1)))
    if attrs.bias:
        module.bias.data = torch.from_numpy(weights["bias"])
    return module


def _dense(weights: dict[str, Array], flattened: tuple[int, ...] | None) -> nn.Module:
    weight = weights["weight"]
    if flattened is not None:  # rows come in the order channels, height, width
        height, width, channels = flattened
        weight = weight.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(len(weight), -1)
    module = nn.Linear(*weight.shape, bias="bias" in weights)
    module.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
    if "bias" in weights:
        module.bias.data = torch.from_numpy(weights["bias"])
    return module


def _batch_norm(attrs: Any, x: Any, weights: dict[str, Array]) -> nn.Module:
    module = nn.BatchNorm2d(x.channels, eps=attrs.eps, momentum=1 - attrs.momentum)
    module.weight.data = torch.from_numpy(weights["scale"])
    module.bias.data = torch.from_numpy(weights["shift"])
    return module


def peer_step(peer: nn.Module, recipe: Recipe, rate: float, images: Any, labels: Any) -> Callable[[], float]:
    """A training step of the peer; returns the loss before it."""
    rule = recipe.optimizer
    optimizer: torch.optim.Optimizer
    if hasattr(rule, "momentum"):
        optimizer = torch.optim.SGD(
            peer.parameters(), rate, rule.momentum, nesterov=rule.nesterov, weight_decay=rule.weight_decay
        )
    else:
        optimizer = torch.optim.Adam(peer.parameters(), rate, (rule.beta1, rule.beta2), rule.eps, rule.weight_decay)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(peer(images), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def measure(sides: dict[str, Callable[[], Any]], rounds: int, runs: int) -> dict[str, list[float]]:
    """Seconds of each run of each side; the sides take turns."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            time.sleep(PAUSE)
            step()
            for _ in range(runs):
                start = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    """Compare, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    spec = netspec.load(given.spec)
    rate = 1e-3
    model = spec.compile(batch=given.batch, threads=given.threads, seed=1)
    generator = np.random.default_rng(0)
    # Fractions of 255, since the spec divides by it and the peer has no preprocessing.
    shape = spec.graph.inputs[0].type.shape
    raw = generator.standard_normal((given.batch, *shape), dtype=np.float32)
    labels = generator.integers(0, spec.graph.heads["main"].type.channels, given.batch).astype(np.int32)
    scale = np.float32(255 if spec.recipe.preprocess else 1)
    images, classes = torch.from_numpy(raw).permute(0, 3, 1, 2), torch.from_numpy(labels).long()
    sides: dict[str, Callable[[], Any]] = {}
    for name, layout in (("torch eager", torch.contiguous_format), ("torch channels_last", torch.channels_last)):
        peer = Peer(spec.graph, model.weights).to(memory_format=layout)
        sides[name] = peer_step(peer, spec.recipe, rate, images.contiguous(memory_format=layout), classes)
    scaled = raw * scale
    sides = {"netspec": lambda: model.step(scaled, labels, rate=rate)["loss"], **sides}
    losses = {name: [float(step()) for _ in range(3)] for name, step in sides.items()}
    for name, found in losses.items():
        print(f"{name:20} losses of three steps: {', '.join(f'{loss:.6f}' for loss in found)}")
        if not np.allclose(found, losses["netspec"], rtol=1e-4):
            raise SystemExit("the two sides do not compute the same")
    times = measure(sides, given.rounds, given.runs)
    ours = statistics.median(times["netspec"])
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"{min(found) * 1e3:.3f} to {max(found) * 1e3:.3f}"
        print(f"{name:20} median {middle * 1e3:8.3f} ms  ({spread})  ratio {middle / ours:.2f}")


if __name__ == "__main__":
    main()
