"""The linter's engine: reads specs, runs every rule that is not ignored, yields diagnostics in a stable order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.graph import Graph, Node, Value
from netspec.core.plugins import load_plugins
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax.load import read_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

if TYPE_CHECKING:
    from netspec.analysis.cost import Cost

PLUGIN_GROUP = "netspec.rules"


class Facts:
    """What rules ask of a spec; each fact is worked out once, when first asked for."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.graph: Graph = spec.graph

    @cached_property
    def cost(self) -> Cost:
        """Parameters and MACs."""
        from netspec.analysis.cost import cost

        return cost(self.graph, self.spec.train_only)

    @cached_property
    def memory(self) -> dict[str, int]:
        """Bytes of a training step of the spec's batch, and of a prediction, as planned for the CPU."""
        from netspec.analysis.memory import planned_bytes
        from netspec.backend import find_backend

        return planned_bytes(self.spec, find_backend("numba").target(threads=1), self.spec.recipe.batch)

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

    def following(self, node: Node) -> Node | None:
        """The only node that takes this one's output, if there is just one and no mistake hides another."""
        readers = self.consumers.get(node.output, [])
        return readers[0] if len(readers) == 1 and node.output not in self.spec.cut else None

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


Check = Callable[[Facts], Iterable[Diagnostic]]


class Rule(NamedTuple):
    """One rule: its code, its check, and its page (the docstring of its module)."""

    code: str
    check: Check
    page: str


RULES: dict[str, Rule] = {}


def rule(code: str) -> Callable[[Check], Check]:
    """Register the decorated check as the rule of ``code``; its module's docstring is the rule's manual page."""

    def register(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"two rules for {code}")
        module = importlib.import_module(check.__module__)
        RULES[code] = Rule(code, check, (module.__doc__ or "").strip())
        return check

    return register


def load_rules(plugins: bool = True) -> dict[str, Rule]:
    """All rules by code: ours, one module each, and those of installed plug-ins."""
    from netspec.lint import rules

    for folder in rules.__path__:
        for path in sorted(Path(folder).glob("[a-z]*.py")):
            importlib.import_module(f"{rules.__name__}.{path.stem}")
    if plugins:
        load_plugins(PLUGIN_GROUP)
    return dict(sorted(RULES.items()))


def lint(source: Source, overrides: Sequence[str] = (), ignored: frozenset[str] = frozenset()) -> list[Diagnostic]:
    """Every finding about one spec, in the order of the file. An ignored rule does not run."""
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics)
    if spec is not None:
        facts = Facts(spec)
        for code, known in load_rules().items():
            if code not in ignored:
                diagnostics.extend(known.check(facts))
    return [d for d in diagnostics.sorted() if d.code not in ignored]


def layers(facts: Facts, *ops: str) -> Iterator[Node]:
    """The layers of these ops, or of all where none is named."""
    return (node for node in facts.graph.nodes if not ops or node.op.name in ops)
