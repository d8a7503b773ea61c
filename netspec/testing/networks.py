"""Small whole networks, for what ops alone do not show: branches, layouts that meet, buffers that are shared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu, Relu6, Softmax, Softplus, Tanh
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.ops.depthwise import DepthwiseConv, SeparableConv
from netspec.declarations.ops.dropout import Dropout
from netspec.declarations.ops.locally_connected import LocallyConnected
from netspec.declarations.ops.merge import Add, Concat
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import AvgPool, GlobalAvgPool, MaxPool
from netspec.declarations.ops.rbf import Rbf
from netspec.declarations.ops.resizing import Pad
from netspec.declarations.ops.selection import ChannelShuffle
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.declarations.options import QuantizationAware
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide
from netspec.passes.quantization import Range, calibrated_values, quantize
from netspec.passes.step import inference, training_step
from netspec.testing.cases import supplied
from netspec.testing.trials import Trial, trial

CLASSES = 17


def network_trials(batch: int = 3) -> tuple[Trial, ...]:
    """Training step and inference of each small network."""
    return tuple(_trials(batch))


def byte_trials(batch: int = 3) -> tuple[Trial, ...]:
    """Inference of small networks in bytes, with ranges that nobody measured, and training steps that round so."""
    recipe, aware, found = Recipe(preprocess=(Divide(by=255.0),)), Recipe(quantize=QuantizationAware()), []
    for shape in ((9, 3), (7, 6, 5), (4, 5, 3, 1)):
        network = byte_network(shape)
        graph = inference(network, recipe, "uint8")
        quantized = quantize(graph, _some_ranges(calibrated_values(graph))).graph
        found.append(trial(f"inference of {network.name}", quantized, "infer", batch, CLASSES))
        step = training_step(network, aware)
        found.append(trial(f"step of {network.name}, aware of them", step, "train", batch, CLASSES))
    grouped = (byte_groups_network(shape) for shape in ((10, 3), (9, 8, 1), (3, 5, 6, 2)))
    for network in (*grouped, byte_slides_network()):
        graph = inference(network, recipe, "uint8")
        quantized = quantize(graph, _some_ranges(calibrated_values(graph))).graph
        found.append(trial(f"inference of {network.name}", quantized, "infer", batch, CLASSES))
    return tuple(found)


def _trials(batch: int) -> Iterator[Trial]:
    recipe = Recipe(preprocess=(Divide(by=255.0),))
    for shape in ((9, 3), (7, 6, 3), (5, 4, 6, 1)):
        network = residual_network(shape)
        yield trial(f"step of {network.name}", training_step(network, recipe, "uint8"), "train", batch, CLASSES)
        yield trial(f"inference of {network.name}", inference(network, recipe, "uint8"), "infer", batch, CLASSES)
        step = training_step(network, replace(recipe, sync_batch_norm=True), "uint8", shared=True)
        yield trial(f"shared step of {network.name}", step, "train", batch, CLASSES)
    network = dense_network()
    yield trial(f"step of {network.name}", training_step(network, recipe, "uint8"), "train", batch, CLASSES)
    yield trial(f"inference of {network.name}", inference(network, recipe, "uint8"), "infer", batch, CLASSES)
    step = training_step(network, replace(recipe, sync_batch_norm=True), "uint8", shared=True)
    yield trial(f"shared step of {network.name}", step, "train", batch, CLASSES)
    network = hourglass_network()
    yield trial(f"step of {network.name}", training_step(network, recipe, "uint8"), "train", batch, CLASSES)
    yield trial(f"inference of {network.name}", inference(network, recipe, "uint8"), "infer", batch, CLASSES)
    network = flat_network()
    yield trial(f"inference of {network.name}", inference(network, Recipe()), "infer", batch, CLASSES)
    for declaration in REGISTRIES["optimizer"].all():
        for rule in dict.fromkeys((declaration.make(), *supplied(declaration))):
            graph = training_step(network, Recipe(optimizer=rule))
            yield trial(f"step of {network.name} by {rule!r}", graph, "train", batch, CLASSES)


def residual_network(shape: tuple[int, ...]) -> Graph:
    """Convolution, batch normalisation, a sum, a concatenation, every pooling and dropout, over any number of axes."""
    chain = _Chain(f"residual network on {'x'.join(map(str, shape))}", shape)
    x = chain(Relu(), chain(BatchNorm(), chain(Conv(filters=18, kernel=3, padding="same", bias=False), chain.input)))
    branch = chain(BatchNorm(), chain(Conv(filters=18, kernel=3, padding="same", groups=2), x))
    x = chain(Relu(), chain(Add(), branch, x))
    pooled = chain(MaxPool(size=2, round="ceil"), x), chain(AvgPool(size=2, round="ceil"), x)
    x = chain(Dropout(rate=0.25), chain(Concat(), *pooled))
    x = chain(GlobalAvgPool(), chain(Dropout(rate=0.5, drop="channel"), x))
    return chain.ending(chain(Softmax(), chain(Dense(units=CLASSES), x)))


def dense_network() -> Graph:
    """What is joined is normalised before it is convolved and joined again, as in DenseNet."""
    chain = _Chain("dense network", (9, 8, 3))
    x = chain(MaxPool(size=2, stride=1), chain(Conv(filters=32, kernel=3, padding="same"), chain.input))
    for filters in (16, 9):
        narrow = chain(Conv(filters=20, kernel=1, bias=False), chain(Relu(), chain(BatchNorm(), x)))
        normal = chain(Relu6(), chain(BatchNorm(), narrow))
        x = chain(Concat(), x, chain(Conv(filters=filters, kernel=3, padding="same"), normal))
    x = chain(Conv(filters=17, kernel=1), chain(BatchNorm(scale=False), x))
    return chain.ending(chain(Softmax(), chain(Dense(units=CLASSES), chain(GlobalAvgPool(), x))))


def hourglass_network() -> Graph:
    """Ops that are lowered, convolutions that shrink an image and one that brings it back, weights at each place."""
    chain = _Chain("hourglass network", (7, 6, 3))
    x = chain(Relu(), chain(SeparableConv(filters=18, kernel=3, padding="same", multiplier=2), chain.input))
    small = chain(Relu(), chain(DepthwiseConv(kernel=3, stride=2, padding="same"), x))
    large = chain(ConvTranspose(filters=18, kernel=(3, 4), stride=2, padding=1), small)
    x = chain(LocallyConnected(filters=5, kernel=3, stride=2), chain(Add(), x, large))
    return chain.ending(chain(Rbf(units=CLASSES), chain(Tanh(), chain(Flatten(), x))))


def byte_network(shape: tuple[int, ...]) -> Graph:
    """What has a form in bytes; between, a softplus, which has none."""
    chain = _Chain(f"network of bytes on {'x'.join(map(str, shape))}", shape)
    x = chain(Relu(), chain(BatchNorm(), chain(Conv(filters=18, kernel=3, padding="same", bias=False), chain.input)))
    branch = chain(Conv(filters=18, kernel=3, padding="same"), chain(Conv(filters=4, kernel=1), x))
    x = chain(Relu6(), chain(Add(), branch, x))
    x = chain(Relu(), chain(Add(), chain(Conv(filters=18, kernel=3, padding="same", groups=2), x), x))
    x = chain(Conv(filters=40, kernel=2, stride=2, padding="same"), chain(Softplus(), x))
    x = chain(Relu(), chain(Concat(), x, chain(Pad(channels=(1, 2)), x)))
    pooled = chain(MaxPool(size=2, round="ceil"), x), chain(AvgPool(size=2, round="ceil", padding="same"), x)
    x = chain(Add(), chain(MaxPool(size=1, stride=2), x), chain(Add(), *pooled))
    parts = chain(Flatten(), x), chain(GlobalAvgPool(), x)
    hidden = chain(Relu(), chain(Dense(units=21), chain(Concat(), *parts)))
    return chain.ending(chain(Softmax(), chain(Dense(units=CLASSES), hidden)))


def byte_groups_network(shape: tuple[int, ...]) -> Graph:
    """Convolutions of bytes with few channels and filters, and with groups of every kind."""
    chain = _Chain(f"groups of bytes on {'x'.join(map(str, shape))}", shape)
    x = chain(Relu(), chain(Conv(filters=4, kernel=3, padding="same"), chain.input))
    x = chain(Relu(), chain(Add(), chain(Conv(filters=4, kernel=4, padding="same"), x), x))
    x = chain(Relu6(), chain(Conv(filters=24, kernel=(3,) * (len(shape) - 2) + (5,), stride=2, padding="same"), x))
    x = chain(Relu6(), chain(DepthwiseConv(kernel=3, padding="same"), x))
    x = chain(Relu(), chain(Add(), chain(Conv(filters=24, kernel=3, padding="same", groups=6), x), x))
    x = chain(Relu(), chain(DepthwiseConv(kernel=2, multiplier=2), x))
    x = chain(Add(), chain(DepthwiseConv(kernel=1), x), chain(Conv(filters=48, kernel=1, groups=3), x))
    x = chain(ChannelShuffle(groups=8), chain(Conv(filters=80, kernel=1, groups=2), x))
    x = chain(GlobalAvgPool(), chain(Add(), x))
    return chain.ending(chain(Softmax(), chain(Dense(units=CLASSES), x)))


def byte_slides_network() -> Graph:
    """Windows of bytes that slide over an image: every row there is a loop for, and padding."""
    chain = _Chain("slides of bytes", (6, 32, 2))
    x = chain(Relu(), chain(Conv(filters=20, kernel=1), chain.input))
    x = chain(Relu(), chain(Add(), chain(DepthwiseConv(kernel=3, padding="same"), x), x))
    x = chain(Add(), chain(DepthwiseConv(kernel=(2, 5), padding="same"), x), x)
    branches = chain(Conv(filters=16, kernel=1), x), chain(Conv(filters=16, kernel=3, padding="same"), x)
    x = chain(Relu(), chain(Add(), *branches))
    x = chain(Conv(filters=12, kernel=(2, 5), padding="same"), x)
    small, large = (chain(Conv(filters=8, kernel=size, stride=2, padding="same"), x) for size in (3, 5))
    x = chain(Add(), small, large)
    x = chain(DepthwiseConv(kernel=(3, 5), stride=(1, 2), padding=(3, 1), dilation=(2, 1)), x)
    x = chain(Relu(), chain(DepthwiseConv(kernel=(2, 3), stride=2), x))
    return chain.ending(chain(Softmax(), chain(Dense(units=CLASSES), chain(GlobalAvgPool(), x))))


def _some_ranges(values: Iterable[str]) -> dict[str, Range]:
    """Ranges that begin at 0, below it, or far below, for values by name."""
    return {name: Range(-0.7 * (place % 3), 1.0 + place / 4) for place, name in enumerate(values)}


def flat_network() -> Graph:
    """Dense layers behind one another; the head comes without softmax."""
    chain = _Chain("flat network", (3, 2, 1))
    x = chain(Tanh(), chain(Dense(units=7), chain(Flatten(), chain.input)))
    return chain.ending(chain(Dense(units=CLASSES), x))


class _Chain:
    """Adds layers by calling: ``chain(op, *inputs)`` is the op's output."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self._builder = Builder(name)
        self.input = self._builder.input("x", TensorType(shape))
        self._layers = 0

    def __call__(self, attrs: Any, *inputs: Value) -> Value:
        self._layers += 1
        self._builder.path = f"{attrs.declaration.name}{self._layers}"
        return self._builder.layer(attrs, *inputs).output

    def ending(self, head: Value) -> Graph:
        return self._builder.graph({"main": head}, {"main": head})
