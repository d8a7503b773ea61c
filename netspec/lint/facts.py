"""What rules ask of a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netspec.core.graph import Graph, Node, Value
from netspec.core.window import WindowGeometry
from netspec.diagnostics import Span
from netspec.lint.settings import DEFAULT, Budgets
from netspec.syntax.source import Positions, Source
from netspec.syntax.spec import Spec

if TYPE_CHECKING:
    from netspec.analysis.cost import Cost, LayerCost
    from netspec.analysis.receptive_field import Field
    from netspec.lint.data_facts import DataFacts


class Facts:
    """What rules ask of a spec; each fact is worked out once, when first asked for."""

    def __init__(self, spec: Spec, budgets: Budgets = DEFAULT.budgets, faults: Sequence[Span] = ()) -> None:
        self.spec = spec
        self.faults = faults
        """Where the errors stand that reading the spec brought to light."""
        self.budgets = budgets
        self._windows: dict[Node, WindowGeometry] = {}
        self.graph: Graph = spec.graph

    @cached_property
    def cost(self) -> Cost:
        """Parameters and MACs."""
        from netspec.analysis.cost import cost

        return cost(self.graph, self.spec.train_only, self.fields)

    @cached_property
    def memory(self) -> dict[str, int]:
        """Bytes of a training step of the spec's batch, and of a prediction, as planned for the CPU."""
        return self.planned(self.spec.recipe.batch)

    def planned(self, batch: int) -> dict[str, int]:
        """The same for another batch."""
        from netspec.analysis.memory import planned_bytes
        from netspec.backend import find_backend

        return planned_bytes(self.spec, find_backend("numba").target(threads=1), batch)

    @cached_property
    def fields(self) -> dict[Value, Field]:
        """What each value sees of the image."""
        from netspec.analysis.receptive_field import receptive_fields

        return receptive_fields(self.graph)

    @cached_property
    def data(self) -> DataFacts | None:
        """What is known of the data without reading more than headers; None where none is named for sure."""
        from netspec.lint.data_facts import data_facts

        source, span = self.spec.recipe.data, self.spec.recipe_spans.get("data")
        if source is None or span is None:
            return None
        text = self.spec.texts.get(span.file)
        written = None if text is None else Positions(Source(span.file, text)).written(span)
        guessed = written is not None and source.declaration.name not in written and "$" not in written
        inputs = self.graph.inputs
        return None if guessed else data_facts(source, self.spec.file, inputs[0].type.shape if inputs else None)

    def largest(self, quantity: Callable[[LayerCost], int]) -> tuple[LayerCost, Node]:
        """The layer with the greatest share of a cost, as its row and its node; there must be a layer."""
        return max(zip(self.cost.layers, self.graph, strict=True), key=lambda pair: quantity(pair[0]))

    @cached_property
    def lines(self) -> dict[str, Value | None]:
        """What leaves each layer that is written, by its path."""
        return {line.path: line.output for line in self.spec.layers}

    @cached_property
    def consumers(self) -> dict[Value, list[Node]]:
        """The nodes that read each value."""
        return self.graph.consumers()

    @cached_property
    def producers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return self.graph.producer()

    def window(self, node: Node) -> WindowGeometry:
        """The window of a layer that has one, on what comes in."""
        if node not in self._windows:
            self._windows[node] = node.attrs.geometry(node.data[0].type)
        return self._windows[node]

    def following(self, node: Node) -> Node | None:
        """The only node that takes this one's output, if there is just one and no mistake hides another."""
        readers = self.consumers.get(node.output, [])
        only = len(readers) == 1 and node.output not in self.spec.cut
        return readers[0] if only and not self.at_fault(readers[0]) else None

    def at_fault(self, node: Node) -> bool:
        """Whether an error stands in the text of the layer, so that what it is meant to do is not known."""
        return node.where is not None and self.refused(node.where.layer)

    def refused(self, place: Span) -> bool:
        """Whether an error stands in a stretch of the text."""
        return any(
            span.file == place.file and place[1:3] <= span[1:3] and span[3:5] <= place[3:5] for span in self.faults
        )

    def sized(self, node: Node) -> bool:
        """Whether the shapes that go in and out are known, and not guessed after a mistake."""
        return self.spec.guessed.isdisjoint((*node.data, *node.outputs))

    def place(self, node: Node, attribute: str | None = None) -> Span:
        """Where a finding about the node points: its op's key, or one of its attributes."""
        assert node.where is not None
        if attribute is not None and attribute in node.where.attributes:
            return node.where.attributes[attribute]
        layer = node.where.layer
        return Span(layer.file, layer.line, layer.column, layer.line, layer.column + len(node.op.name))


def layers(facts: Facts, *ops: str) -> Iterator[Node]:
    """The layers of these ops, or of all where none is named."""
    return (node for node in facts.graph.nodes if (not ops or node.op.name in ops) and not facts.at_fault(node))


def normalises(node: Node) -> bool:
    """Whether the layer brings numbers into a range of its own."""
    return node.op.name.endswith("_norm")
