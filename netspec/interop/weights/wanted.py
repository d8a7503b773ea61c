"""What a network wants: its layers as PyTorch or Keras would have stored them, and which of them reaches which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from netspec.core.graph import Graph, Node, Value
from netspec.declarations.recipe import Recipe
from netspec.interop.pytorch.source import torch_source
from netspec.interop.tensors import Exchanged, Turn, as_it_is, turned
from netspec.interop.weights.found import Library
from netspec.interop.weights.torch_files import COUNTER


@dataclass(frozen=True, slots=True)
class WantedLayer:
    """A layer there: its tensors by what they are, each with the weight here that it is made of.

    ``name`` is what `netspec export` would call it, ``path`` the layer here. ``place`` is the number of its node.
    """

    name: str
    path: str
    tensors: Mapping[str, Exchanged]
    place: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """All layers that hold weights, in the order in which the spec writes them; ``above`` says what each node rests on.

    Each number of ``above`` has a bit for every node, that of the node itself included.
    """

    layers: tuple[WantedLayer, ...]
    above: tuple[int, ...]

    def chain(self, layers: Sequence[WantedLayer]) -> bool:
        """Whether each layer works on what the one before it made, so that their order is no matter of writing."""
        return all(self.above[after.place] >> before.place & 1 for before, after in pairwise(layers))


def wanted_layers(graph: Graph, recipe: Recipe, library: Library) -> Wanted:
    """The layers of a network as a library stores them; a SpecError at one of which PyTorch has no form."""
    tensors = _torch_tensors(graph, recipe) if library == "torch" else tuple(_keras_tensors(graph))
    readers: dict[str, int] = {}
    for place, node in enumerate(graph.nodes):
        for name in node.parameters:
            readers.setdefault(node.parameter(name).name, place)
    grouped: dict[str, dict[str, Exchanged]] = {}
    for tensor in tensors:
        layer, _, part = tensor.name.rpartition(".")
        grouped.setdefault(layer, {})[part] = tensor
    layers = []
    for name, parts in grouped.items():
        sources = [tensor.source for tensor in parts.values() if tensor.source is not None]
        if sources:  # a layer of constants alone takes nothing
            layers.append(WantedLayer(name, sources[0].rpartition(".")[0], parts, readers[sources[0]]))
    return Wanted(tuple(layers), _above(graph))


def _torch_tensors(graph: Graph, recipe: Recipe) -> tuple[Exchanged, ...]:
    """Those of the module that `netspec export` writes, without counters."""
    tensors = torch_source(graph, recipe).tensors
    return tuple(tensor for tensor in tensors if tensor.name.rpartition(".")[2] != COUNTER)


def _keras_tensors(graph: Graph) -> Iterator[Exchanged]:
    """The variables of each layer, numbered: Keras has them in the order in which netspec declares parameters."""
    done: set[Value] = set()
    for node in graph.nodes:
        values = [node.parameter(name) for name in node.parameters]
        if done.issuperset(values):
            continue
        done.update(values)
        for number, (name, value) in enumerate(zip(node.parameters, values, strict=True)):
            yield Exchanged(f"{node.path}.{number}", value.name, value.type.shape, _keras_turn(node, name))


def _keras_turn(node: Node, name: str) -> Turn:
    """How Keras stores a parameter: channels last as here, but for two kinds of kernels and the slopes of prelu."""
    shape = node.parameter(name).type.shape
    if (node.op.name, name) in (("depthwise_conv", "weight"), ("separable_conv", "depthwise_weight")):
        channels = node.data[0].type.channels
        split = (*shape[:-2], channels, shape[-1] // channels)
        return Turn(split, tuple(range(len(split))), split)
    if (node.op.name, name) == ("conv_transpose", "weight"):
        last = len(shape) - 1
        return turned(shape, (*range(last - 1), last, last - 1))
    if node.op.name == "prelu":
        spread = (*(1,) * len(node.data[0].type.spatial), *shape)
        return Turn(shape, (0,), spread)
    return as_it_is(shape)


def _above(graph: Graph) -> tuple[int, ...]:
    made: dict[Value, int] = {}
    above = []
    for place, node in enumerate(graph.nodes):
        rests = 1 << place
        for value in node.data:
            rests |= made.get(value, 0)
        above.append(rests)
        made |= dict.fromkeys(node.outputs, rests)
    return tuple(above)
