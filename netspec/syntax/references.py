"""Names of layers where a layer refers to another: ``from``, ``share``, ``like``, and the ``from`` of a head."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Value
from netspec.diagnostics import Diagnostic
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.placing import Placement
from netspec.syntax.scope import Named, Scope
from netspec.syntax.suggestions import closest
from netspec.syntax.values import UNKNOWN, Values

SHOWN = 12
"""Names that a message lists at most."""


class References:
    """Looks names up; one that is not there is NS206."""

    def __init__(self, values: Values, placement: Placement, root: tree.Node | None) -> None:
        self._values = values
        self._placement = placement
        self._root = root
        self._written: frozenset[str] | None = None
        self.lenient = False
        """Whether a name may be one that only the use of a block will bring."""

    def output(self, node: tree.Node, flow: Value | None, scope: Scope, names: Environment) -> Value | None:
        """The output of the layer that a node names; of one that is not there, that of the one probably meant."""
        name = self._values.read(node, names)
        if name is UNKNOWN:
            return self._placement.unknown(flow)
        found = scope.find(str(name))
        if found is None or not found.written:
            self._report(node, str(name), found, scope, names)
        if found is not None:
            return found.output
        guess = None if str(name) in self._names_written() else closest(str(name), scope.visible())
        meant = scope.find(guess) if guess else None
        if meant is None or meant.output is None or flow is None:
            return self._placement.unknown(flow)
        return self._placement.instead(meant.output, flow)

    def lack(self, entry: tree.Entry | None, scope: Scope, names: Environment) -> bool:
        """Whether a ``from`` names a layer that is not there; nothing is reported."""
        if entry is None or self._values.violations.within(entry.value):
            return False
        items = entry.value.items if isinstance(entry.value, tree.Sequence) else (entry.value,)
        written = [self._values.read(item, names) for item in items]
        return any(name is not UNKNOWN and scope.find(str(name)) is None for name in written)

    def layer(self, node: tree.Node, scope: Scope, names: Environment) -> Named | None:
        """What a node names; None where that is not there, or cannot be known."""
        name = self._values.read(node, names)
        found = None if name is UNKNOWN else scope.find(str(name))
        if name is not UNKNOWN and (found is None or not found.written):
            self._report(node, str(name), found, scope, names)
        if found is None:
            self._placement.complete = False
        return found

    def _report(self, node: tree.Node, name: str, found: Named | None, scope: Scope, names: Environment) -> None:
        if self.lenient and found is None:
            return
        visible = scope.visible()
        later = name if found is None and name in self._names_written() else None
        fields = {
            "name": name,
            "later": later,
            "automatic": None if found is None else name,
            "suggestion": None if later or found is not None else closest(name, visible),
            "known": visible[:SHOWN] or None,
        }
        self._values.diagnostics.append(Diagnostic("NS206", self._values.place(node, names), fields))

    def _names_written(self) -> frozenset[str]:
        """All names that layers of the file are given; looked for when one is not found where it should be."""
        if self._written is None:
            self._written = frozenset(() if self._root is None else _names(self._root))
        return self._written


def _names(node: tree.Node) -> Iterator[str]:
    """What stands under ``name`` anywhere below."""
    if isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _names(item)
    elif isinstance(node, tree.Mapping):
        for entry in node.entries:
            if entry.name == "name" and isinstance(entry.value, tree.Scalar):
                yield str(entry.value.value)
            else:
                yield from _names(entry.value)
