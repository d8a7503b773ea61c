"""Moments: what an op normalises its input by is gathered by what makes the input, and not by a pass over memory.

The moments of a channel depend on that channel alone. Where channels are laid side by side, their moments are
therefore those of the parts side by side, each of which is gathered once, however many ops normalise what it is a part
of. Results are the same within their bound, since they are summed in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from netspec.core.graph import Epilogue, Graph, Node, Value, moments_type
from netspec.declarations.ops.normalization import Moments

REASON = "joined moments"


def fuse_moments(graph: Graph, gathers_moments: Callable[[str], bool]) -> Graph:
    """The graph in which ops that normalise their input are given its moments, wherever its maker can gather them.

    ``gathers_moments`` tells the ops whose kernels can. A target that has any has kernels of ``moments`` too, and of
    joins of moments, which are not batched.
    """
    found = _Moments(graph.producer(), gathers_moments)
    for node in reversed(graph.nodes):  # what is joined is known before it is asked for by itself
        if node.op.has("given_moments"):
            found.of(node.inputs[0])
    return replace(graph, nodes=tuple(each for node in graph.nodes for each in found.nodes(node)))


@dataclass(slots=True)
class _Moments:
    """Values whose moments somebody wants, and can have."""

    makers: dict[Value, Node]
    gathers: Callable[[str], bool]
    known: dict[Value, Value] = field(default_factory=dict)
    """By the value, its moments."""
    joins: dict[Value, Node] = field(default_factory=dict)
    """What makes moments from those of parts, or in a pass of its own, by the value that they are of."""

    def of(self, x: Value) -> Value | None:
        """The moments of x; None where only a pass over all of it could tell."""
        maker = self.makers.get(x)
        if x in self.known or maker is None:
            return self.known.get(x)
        if self.gathers(maker.op.name) and x is maker.output:
            return self._moments(x)
        parts = self._parts(maker)
        if parts:
            made = self._moments(x)
            self.joins[x] = replace(maker, inputs=parts, outputs=(made,), derived_from=REASON)
        return self.known.get(x)

    def _parts(self, maker: Node) -> tuple[Value, ...]:
        """The moments of all inputs of a node that joins channels; none unless those of one come with its making."""
        types = [value.type for value in maker.inputs]
        if not maker.op.has("first_channels") or maker.attrs.first_channels(*types) is None:
            return ()
        if any(value not in self.makers or value.type.dtype != "float32" for value in maker.inputs):
            return ()
        found = [self.of(value) for value in maker.inputs]
        if not any(found):
            return ()
        return tuple(self._in_a_pass(*pair) for pair in zip(maker.inputs, found, strict=True))

    def _in_a_pass(self, x: Value, known: Value | None) -> Value:
        """The moments of x, if they are not known by a pass over it."""
        if known is not None or x in self.known:
            return known or self.known[x]
        maker, made = self.makers[x], self._moments(x)
        self.joins[x] = Node(Moments(), (x,), (made,), maker.path, (), maker.region, maker.where, REASON)
        return made

    def _moments(self, x: Value) -> Value:
        self.known[x] = Value(f"{x.name}:moments", moments_type(x.type))
        return self.known[x]

    def nodes(self, node: Node) -> Iterator[Node]:
        """The node as it is now, and what is made of its outputs."""
        gathered = self.known.get(node.output) if self.gathers(node.op.name) else None
        given = self.known.get(node.inputs[0]) if node.op.has("given_moments") else None
        if given is not None:
            own = len(node.operands)
            read = (*node.operands, given, *node.inputs[own:])
            node = replace(node, attrs=node.attrs.given_moments(), inputs=read)
        if gathered is not None:
            epilogue = (node.epilogue or Epilogue())._replace(moments=True)
            node = replace(node, outputs=(*node.outputs, gathered), epilogue=epilogue)
        yield node
        yield from (self.joins[value] for value in node.outputs if value in self.joins)
