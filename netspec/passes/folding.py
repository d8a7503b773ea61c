"""Folding: a batch normalisation behind a convolution or a dense layer becomes part of its weights.

For inference only, where the statistics are constants. What computes the new weights is part of the graph and reads
state alone, so it is run when the state has changed, and not for each batch.
"""

from __future__ import annotations

from netspec.core.builder import Builder
from netspec.core.declare import attributes_of
from netspec.core.graph import Graph, Node, Value
from netspec.declarations.ops.folding import FoldNorm
from netspec.passes.rewrite import finish, rewire


def fold_batch_norm(graph: Graph) -> Graph:
    """The graph, in its inference form, without the normalisations whose input nothing else reads."""
    pairs = _pairs(graph)
    folded = set(pairs.values())
    g = Builder.continuing(graph)
    g.derived_from = "folding"
    mapping: dict[Value, Value] = {}
    for node in graph.nodes:
        if node in folded:
            continue
        before = rewire(node, mapping)
        if node not in pairs:
            g.nodes.append(before)
            continue
        norm = pairs[node]
        g.path, g.where, g.region = node.path, node.where, node.region
        mapping[norm.output] = _fold(g, before, norm)
    return finish(g, graph, mapping)


def _pairs(graph: Graph) -> dict[Node, Node]:
    """The normalisation that follows each node with a weight, where it can be folded."""
    producers, consumers, kept = graph.producer(), graph.consumers(), {*graph.outputs.values(), *graph.heads.values()}
    found = {}
    for norm in graph.nodes:
        before = producers.get(norm.data[0]) if norm.op.name == "batch_norm" else None
        if before is None or not before.op.has("weighs_channels") or before.output in kept:
            continue
        if consumers[before.output] == [norm]:
            found[before] = norm
    return found


def _fold(g: Builder, node: Node, norm: Node) -> Value:
    """The node on the folded weight and bias."""
    given = attributes_of(node.attrs)
    attrs = FoldNorm(eps=norm.attrs.eps, bias=given["bias"], scale=norm.attrs.scale, center=norm.attrs.center)
    weight, bias = g.node(attrs, *_parameters(node), *_parameters(norm)).outputs
    biased = type(node.attrs)(**{**given, "bias": True})
    return g.apply(biased, *node.data, weight=weight, bias=bias)


def _parameters(node: Node) -> tuple[Value, ...]:
    return node.operands[len(node.data) :]
