"""Prologues: a normalisation by known statistics is done while its one reader reads, and its output is never stored.

The counterpart of an epilogue, for networks that normalise before they convolve. Results are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netspec.core.graph import Epilogue, Graph, Node, Prologue
from netspec.passes.fusion import Uses


def fuse_prologues(graph: Graph, takes_prologue: Callable[[Node, Node], bool]) -> Graph:
    """Ops that scale channels, and clip them then, become prologues of what reads their output.

    ``takes_prologue`` tells of a node whether its kernel can do the work of the one that makes its first input.
    """
    uses = Uses.of(graph)
    for position, node in enumerate(graph.nodes):
        before = uses.only_for(node.inputs[0], position) if node.inputs else None
        if before is None or node.inputs.count(before.output) > 1 or not _can_be_prologue(before):
            continue
        if takes_prologue(node, before):
            ending = before.epilogue or Epilogue()
            prologue = Prologue(before.attrs, len(before.inputs) - 1, ending.low, ending.high)
            x, *others = before.inputs
            read = (x, *node.operands[1:], *others, *node.inputs[len(node.operands) :])
            uses.merge(uses.maker[before.output], position, replace(node, inputs=read, prologue=prologue))
    return uses.graph(graph)


def _can_be_prologue(node: Node) -> bool:
    """Whether the node scales the channels of its first input, and at most clips them then."""
    if not node.op.has("scales_channels") or node.output.type != node.inputs[0].type:
        return False
    ending = node.epilogue or Epilogue()
    return ending == Epilogue(low=ending.low, high=ending.high)
