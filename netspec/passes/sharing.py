"""A step whose batches are shared among ranks: what each one's part counts, and what they have to exchange.

A rank's loss is its part of the loss over the whole batch. So the gradients of all ranks, summed, are those of the
whole batch, whatever their parts, the classes' weights and the heads. What the update reads is exchanged, gradients and
the statistics of batch normalisation alike, so that all ranks make the same update and stay equal to the bit.

A node ``exchange.sum`` stands for the exchange. It is put as early as its input is known and everything that reads it
stays where it was: between the two the exchange goes on beside the computation.

With ``sync_batch_norm`` ranks also exchange within the step what batch normalisation goes by, forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.declarations.ops.exchange import ExchangePart, ExchangeShare, ExchangeSum, ExchangeUnbiased
from netspec.declarations.ops.normalization import BatchNormMoving
from netspec.declarations.ops.synchronized_normalization import (
    BatchNormDeviations,
    BatchNormMoments,
    BatchNormSynchronized,
    BatchNormVariance,
)
from netspec.passes.rewrite import rewire, rewrite

REASON = "exchange"
"""What nodes are derived from that stand at the border between ranks."""
SHARE, SAMPLES, WHOLE = "rank_share", "rank_samples", "batch_samples"
"""Scalars: what this rank has of the samples of the whole batch, from 0 to 1, how many live samples that are, and how
many the whole batch has."""


def synchronized(graph: Graph) -> Graph:
    """The network's training form with batch normalisation by the statistics of the whole batch."""
    return rewrite(graph, _synchronized, "synchronisation")


def _synchronized(g: Builder, node: Node) -> Mapping[Value, Value] | None:
    if node.op.name != "batch_norm.train":
        return None
    x, *affine = node.inputs
    share, samples, total = g.scalar(SHARE), g.scalar(WHOLE), ExchangeSum(per_update=False)
    own = g.node(BatchNormMoments(), x).outputs
    centre = g.add(total, g.add(ExchangePart(), own[0], share))
    parts = g.node(BatchNormDeviations(), *own, centre, share).outputs
    missing, square = (g.add(total, part) for part in parts)
    variance = g.add(BatchNormVariance(), missing, square)
    attrs = BatchNormSynchronized(eps=node.attrs.eps, scale=node.attrs.scale, center=node.attrs.center)
    y = g.add(attrs, x, centre, missing, variance, share, samples, *affine)
    return dict(zip(node.outputs, (y, centre, variance), strict=False))


def part_of_loss(g: Builder, loss: Value) -> Value:
    """This rank's part of a head's loss: its share of the samples, or of what a weighted mean is divided by."""
    node = next(node for node in reversed(g.nodes) if loss in node.outputs)
    if getattr(node.attrs, "class_weights", None) is None:
        return g.add(ExchangePart(), loss, g.scalar(SHARE))
    divisor = node.outputs[1]
    whole = g.add(ExchangeSum(per_update=False), divisor)
    return g.add(ExchangePart(), loss, g.add(ExchangeShare(), divisor, whole))


def with_whole_divisors(g: Builder) -> None:
    """Let the gradients of weighted means be divided by the whole batch's weights at once.

    A rank whose labels all have weight 0 has no mean of its own, but its gradient is known: 0.
    """
    makers = {value: node for node in g.nodes for value in node.outputs}

    def divided(node: Node) -> Node:
        if node.op.name != "cross_entropy.dx" or node.attrs.class_weights is None:
            return node
        logits, target, _, dloss = node.inputs
        slope, share = makers[dloss].inputs
        return replace(node, inputs=(logits, target, makers[share].inputs[1], slope))

    g.nodes = [divided(node) for node in g.nodes]


def at_border(g: Builder, change: Callable[[Value], Value]) -> None:
    """Let the update read ``change`` of each value that it now reads of the regions before it."""
    made = {value for node in g.nodes if node.region != "update" for value in node.outputs}
    border = [v for node in g.nodes if node.region == "update" for v in node.inputs if v in made]
    changed = {value: change(value) for value in dict.fromkeys(border)}
    g.nodes = [rewire(node, changed) if node.region == "update" else node for node in g.nodes]


def unbiased_by_batch(g: Builder, samples: str) -> None:
    """Let moving variances take means of variances, each made unbiased by the samples that it is of.

    These are the scalar ``samples``: the batches of an update, or the ranks' pieces, need not be of one size.
    """

    def with_biased(node: Node) -> Node:
        if node.op.name != "batch_norm.moving" or not node.attrs.unbiased:
            return node
        g.path = node.path
        variance = node.inputs[-1]
        made = g.add(ExchangeUnbiased(positions=node.attrs.positions), variance, g.scalar(samples))
        biased = BatchNormMoving(momentum=node.attrs.momentum, positions=node.attrs.positions, unbiased=False)
        return replace(node, attrs=biased, inputs=(*node.inputs[:-1], made))

    changed = [with_biased(node) for node in tuple(g.nodes)]
    g.nodes[: len(changed)] = changed
    g.path = ""


def share_statistics(g: Builder, samples: str) -> None:
    """Let the update read this rank's part of the statistics that it goes by, each of ``samples``, a scalar."""
    g.derived_from = REASON
    unbiased_by_batch(g, samples)
    at_border(g, lambda value: g.add(ExchangePart(), value, g.scalar(SHARE)))
    g.path = ""


def exchanged(g: Builder, gradients: dict[Value, Value]) -> dict[Value, Value]:
    """The sums over all ranks of the gradients; the update reads such sums of all else too."""
    g.derived_from = REASON
    total = ExchangeSum(per_update=True)
    at_border(g, lambda value: g.add(total, value))
    found = {}
    for value, gradient in gradients.items():
        g.path = value.name
        found[value] = g.add(total, gradient)
    g.path, g.derived_from = "", "check"
    return found


def sent_early(g: Builder) -> None:
    """Put the nodes of the exchange directly behind those whose values they take."""
    places: dict[Value, tuple[int, int]] = {}
    keys = []
    for position, node in enumerate(g.nodes):
        key = (position, 0)
        if node.derived_from == REASON:
            place, depth = max((places[v] for v in node.inputs if v in places), default=(-1, 0))
            key = (place, depth + 1)
        places |= dict.fromkeys(node.outputs, key)
        keys.append((*key, position))
    g.nodes = [node for _, node in sorted(zip(keys, g.nodes, strict=True), key=lambda pair: pair[0])]
