"""A network without some of its channels: a spec with smaller numbers, and the weights that are left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from netspec.core.channels import Sources, channel_sources
from netspec.core.declare import attributes_of
from netspec.core.graph import Graph, Node, Value
from netspec.core.types import TensorType
from netspec.diagnostics.errors import RunError
from netspec.slimming.channels import Array, Classes
from netspec.syntax.load import load_spec
from netspec.syntax.record import Record
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec


class Narrowed(NamedTuple):
    """What came of it: the new spec, its text, its weights, and how many channels each changed layer had and has."""

    spec: Spec
    text: str
    weights: Mapping[str, Array]
    widths: Mapping[str, tuple[int, int]]


def narrowed(spec: Spec, weights: Mapping[str, Array], found: Classes, removed: Collection[int], file: str) -> Narrowed:
    """The network of ``spec`` without the channels of the ``removed`` classes; ``file`` is what the new spec is called.

    What is expected of the totals and of shapes inside is not expected any more. A RunError where an op would do other
    things to fewer channels than it says.
    """
    left = {value: np.flatnonzero(~np.isin(members, list(removed))) for value, members in found.of.items()}
    changes: dict[Record, Mapping[str, Any]] = {}
    widths: dict[str, tuple[int, int]] = {}
    for node in spec.graph.nodes:
        changed = _changed(node, left)
        if changed:
            changes[spec.records[node.output]] = changed
        if node.op.has("weighs_channels") and len(left[node.output]) < node.output.type.channels:
            widths[node.path] = (node.output.type.channels, len(left[node.output]))
    outputs = tuple(each for each in spec.expectations if each.kind == "output")
    heading = "".join(f"# {path}: {before} channels, {after} left\n" for path, (before, after) in widths.items())
    text = heading + resolved_text(replace(spec, expectations=outputs), changes)
    smaller = load_spec(Source(file, text))
    return Narrowed(smaller, text, _kept_weights(spec.graph, smaller.graph, weights, found, removed), widths)


def _changed(node: Node, left: Mapping[Value, Array]) -> Mapping[str, Any]:
    """The attributes that the op has otherwise on the channels that are left."""
    if node.op.has("weighs_channels"):
        assert node.op.main is not None
        count = len(left[node.output])
        return {node.op.main: count} if count < node.output.type.channels else {}
    data = tuple(value.type for value in node.data)
    sources = channel_sources(node.attrs, data)
    whole = all(len(left[value]) == value.type.channels for value in (*node.data, node.output))
    if sources is None or whole:
        return {}
    wanted = _renumbered(sources, node, left)
    fewer = tuple(_with_channels(value.type, len(left[value])) for value in node.data)
    if channel_sources(node.attrs, fewer) == wanted:
        return {}
    attrs = node.attrs.narrowed(wanted) if node.op.has("narrowed") else node.attrs
    if channel_sources(attrs, fewer) != wanted:
        raise RunError.of("NS851", layer=node.path, op=node.op.name)
    before, after = attributes_of(node.attrs), attributes_of(attrs)
    return {name: value for name, value in after.items() if value != before[name]}


def _renumbered(sources: Sources, node: Node, left: Mapping[Value, Array]) -> Sources:
    """What the channels that are left are made of, all counted anew."""
    places = [{int(old): new for new, old in enumerate(left[value])} for value in node.data]
    kept = (sources[channel] for channel in left[node.output])
    return tuple(tuple((number, places[number][channel]) for number, channel in made_of) for made_of in kept)


def _with_channels(type: TensorType, channels: int) -> TensorType:
    return replace(type, shape=(*type.spatial, channels), block=None)


def _kept_weights(
    graph: Graph, smaller: Graph, weights: Mapping[str, Array], found: Classes, removed: Collection[int]
) -> dict[str, Array]:
    """The numbers that are left of each weight; a RunError where they do not fit the new network."""
    wanted = {slot.name: slot.param.shape for slot in smaller.slots}
    kept = {}
    for slot in graph.slots:
        array = weights[slot.name]
        for axis, members in found.along.items():
            if axis.parameter == slot.name:
                array = np.compress(~np.isin(members, list(removed)), array, axis.place)
        kept[slot.name] = np.ascontiguousarray(array)
        if array.shape != wanted.get(slot.name):
            raise RunError.of("NS851", layer=slot.name.rpartition(".")[0], op="its parameter")
    return kept


def without_channels(weights: Mapping[str, Array], found: Classes, removed: Collection[int]) -> dict[str, Array]:
    """Weights of the same shapes under which no layer takes notice of the ``removed`` channels.

    Their rows are zero in every weight that they go into. What the network computes is what it computes without them.
    """
    changed = {}
    for axis, members in found.along.items():
        gone = np.isin(members, list(removed))
        if axis.place == -2 and gone.any():
            array = weights[axis.parameter].copy()
            array[..., gone, :] = 0
            changed[axis.parameter] = array
    return {**weights, **changed}
