"""What a spec file becomes: the network as a graph, how it is trained, what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from netspec.core.graph import Graph, Value
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.model import Span
from netspec.syntax.record import Listing, Record


class Expectation(NamedTuple):
    """One thing that ``expect:`` says: of a total, of a head's output, or of a layer's shape (``subject`` is its path).

    A ``train_only`` is a total of the heads that are there while training only.
    """

    kind: Literal["total", "train_only", "output", "shape"]
    subject: str
    minimum: float | None
    maximum: float | None
    shape: tuple[int, ...] | None
    span: Span


class Input(NamedTuple):
    """An input of the network: where its shape is written, and the field of the data that goes in, if one is named."""

    span: Span
    source: str | None = None


class LayerLine(NamedTuple):
    """A layer or group as written: its path, where its op is, and what leaves it; ``None`` is of unknown shape."""

    path: str
    span: Span
    output: Value | None


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """A spec that was read. ``graph`` is the network's forward graph; layers that rest on a guess are not in it."""

    name: str
    doc: str
    file: str
    text: str
    graph: Graph
    recipe: Recipe
    expectations: tuple[Expectation, ...]
    layers: tuple[LayerLine, ...]
    recipe_spans: Mapping[str, Span]
    """Where each key of ``train:`` stands."""
    recipe_items: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """Where each item of a list of ``train:`` stands, such as the transforms of ``preprocess``."""
    overrides: tuple[str, ...] = ()
    """The ``--set`` assignments that were applied, as given."""
    vars: Mapping[str, Any] | None = None
    dialect: str = "textbook"
    inputs: Mapping[str, Input] = field(default_factory=dict)
    listing: Listing | None = None
    """The layers as the expansion made them, from which the resolved spec is written."""
    records: Mapping[Value, Record] = field(default_factory=dict)
    """The layer that makes each output."""
    head_listings: Mapping[str, Listing] = field(default_factory=dict)
    """The layers of each head that has its own."""
    head_sources: Mapping[str, Value | None] = field(default_factory=dict)
    """What each head that is written takes, where it says so."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The text of every file that the spec consists of, by the name that diagnostics call it."""
    complete: bool = True
    """Whether every layer is in the graph, of known shape, so that totals mean something."""
    guessed: frozenset[Value] = frozenset()
    """Values whose shape rests on a guess."""
    cut: frozenset[Value] = frozenset()
    """Values that some layer reads which is not in the graph."""

    @property
    def train_only(self) -> frozenset[str]:
        """The heads that are there while training only."""
        return frozenset(name for name in self.graph.heads if self.recipe.head(name).train_only)
