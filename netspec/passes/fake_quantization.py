"""Training that is aware of quantisation: a network rounds where its form in bytes will, and learns with that.

What is rounded is what :func:`netspec.passes.quantization.quantize` makes bytes of, found by asking it. Weights are
rounded before a batch normalisation is folded into them: folding multiplies a whole channel by one number, which
changes the scale of its bytes and not the bytes. So the normalisation stays as it is while training, with the
statistics of the batch, and nothing of it is folded or frozen (Krishnamoorthi 2018, 3.2.2, is what folding early
asks for).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Param, Value
from netspec.declarations.ops.accumulation import MoveAverage
from netspec.declarations.ops.fake_quantization import Extremes, FakeQuantize, FakeQuantizeWeights
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.folding import fold_batch_norm
from netspec.passes.forms import inference_form
from netspec.passes.quantization import Range, Ranges, calibrated_values, packed_weights, quantize
from netspec.passes.rewrite import finish, rewire

LOWEST, HIGHEST = "lowest", "highest"
"""What state is called, behind the name of an activation's range, that holds its limits."""
SHARE = "range_share"
"""The scalar that says how far a batch moves the ranges."""


class Places(NamedTuple):
    """Where a network rounds."""

    activations: Mapping[str, Value]
    """By the names of their ranges."""
    weights: frozenset[str]


def rounded_places(graph: Graph) -> Places:
    """What of a graph, prepared and lowered but in neither form, will be bytes."""
    folded_away = {node.data[0] for node in graph.nodes if node.op.name == "batch_norm"}
    made = (value for node in graph.nodes for value in node.outputs)
    watched = {value.name: value for value in (*graph.inputs, *made) if value not in folded_away}
    traced = fold_batch_norm(inference_form(replace(graph, outputs=watched)))
    origin: dict[Value, Value] = {}
    for name, value in traced.outputs.items():
        origin.setdefault(value, watched[name])  # of a value that is passed on as it is, the first
    inference = remove_dead_code(replace(traced, outputs=traced.heads))
    values = calibrated_values(inference)
    quantized = quantize(inference, dict.fromkeys(values, Range(0.0, 1.0)))
    makers = quantized.graph.producer()
    rounded = (name for name, value in quantized.bytes.items() if getattr(makers[value].attrs, "y", None) is not None)
    return Places({name: origin[values[name]] for name in rounded}, packed_weights(quantized.graph))


def with_learnt(graph: Graph, learnt: Ranges) -> dict[str, Range]:
    """A range for each value of an inference form that :func:`netspec.passes.quantization.quantize` asks for.

    Of what only passes bytes on, or is float32 in the end, none is learnt, and none is looked at.
    """
    return {**dict.fromkeys(calibrated_values(graph), Range(0.0, 0.0)), **learnt}


def fake_quantized(graph: Graph, places: Places, learns: bool) -> Graph:
    """The graph, rounding at these places; where it ``learns``, the ranges move with each batch that is learnt."""
    g = Builder.continuing(graph)
    g.derived_from = "fake quantization"
    names = {value: name for name, value in places.activations.items()}
    mapping: dict[Value, Value] = {}
    for slot in graph.slots:
        if slot.name in places.weights:
            g.path = slot.name
            mapping[slot.value] = g.add(FakeQuantizeWeights(), slot.value)
    for value in graph.inputs:
        if value in names:
            mapping[value] = _rounded(g, value, names[value], learns)
    for node in graph.nodes:
        g.nodes.append(rewire(node, mapping))
        g.path, g.where = node.path, node.where
        for value in node.outputs:
            if value in names:
                mapping[value] = _rounded(g, value, names[value], learns)
    return finish(g, graph, mapping)


def _rounded(g: Builder, value: Value, name: str, learns: bool) -> Value:
    """The value as bytes hold it, in a range that is the moving average of the batches' extremes."""
    nothing = Param((), "zeros", trained=False)
    held = [g.state(f"{name}:{limit}", nothing, "moment") for limit in (LOWEST, HIGHEST)]
    if not learns:
        return g.add(FakeQuantize(), value, *held)
    share, seen = g.scalar(SHARE), g.node(Extremes(), value).outputs
    moved = [g.add(MoveAverage(), old, new, share) for old, new in zip(held, seen, strict=True)]
    g.region = "update"
    for old, new in zip(held, seen, strict=True):
        g.write(old, g.add(MoveAverage(), old, new, share))
    g.region = "forward"
    return g.add(FakeQuantize(), value, *moved)
