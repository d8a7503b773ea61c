"""What a spec file becomes: the network as a graph, how it is trained, what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from netspec.core.graph import Graph, Value
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.model import Span


class Expectation(NamedTuple):
    """One thing that ``expect:`` says: of a total, of the output, or of a layer's shape (``subject`` is its path)."""

    kind: Literal["total", "output", "shape"]
    subject: str
    minimum: float | None
    maximum: float | None
    shape: tuple[int, ...] | None
    span: Span


class LayerLine(NamedTuple):
    """A layer or group as written: its path, where its op is, and what leaves it; ``None`` is of unknown shape."""

    path: str
    span: Span
    output: Value | None


@dataclass(frozen=True, slots=True)
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
    overrides: tuple[str, ...] = ()
    """The ``--set`` assignments that were applied, as given."""
    vars: Mapping[str, Any] | None = None
    input_span: Span | None = None
    complete: bool = True
    """Whether every layer is in the graph, of known shape, so that totals mean something."""
    guessed: frozenset[Value] = frozenset()
    """Values whose shape rests on a guess."""
    cut: frozenset[Value] = frozenset()
    """Values that some layer reads which is not in the graph."""
