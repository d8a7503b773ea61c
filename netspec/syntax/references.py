"""Names of layers where a layer refers to another: ``from``, ``share``, ``like``, and the ``from`` of a head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netspec.core.graph import Value
from netspec.diagnostics import Diagnostic, Span
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
        self._written: tuple[_List, ...] | None = None
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
        guess = None if self._comes_later(node, str(name)) else closest(str(name), scope.visible())
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
        later = name if found is None and self._comes_later(node, name) else None
        fields = {
            "name": name,
            "later": later,
            "automatic": None if found is None else name,
            "suggestion": None if later or found is not None else closest(name, visible),
            "known": visible[:SHOWN] or None,
        }
        self._values.diagnostics.append(Diagnostic("NS206", self._values.place(node, names), fields))

    def _comes_later(self, node: tree.Node, name: str) -> bool:
        """Whether a layer behind the node is given the name, in the same block or in the network."""
        if self._written is None:
            self._written = tuple(_lists(self._root))
        around = next((found for found in self._written if found.span is None or _lies_in(node.span, found.span)), None)
        return around is not None and any(
            other.value == name and other.span.file == node.span.file and other.span[1:3] > node.span[1:3]
            for other in around.names
        )


class _List(NamedTuple):
    """The names that are given within a block; ``span`` is that of the block, None for the network's own layers."""

    span: Span | None
    names: tuple[tree.Scalar, ...]


def _lists(root: tree.Node | None) -> Iterator[_List]:
    """The names of each block, and at the end those of the network."""
    if not isinstance(root, tree.Mapping):
        return
    blocks = root.by_name.get("blocks")
    for entry in blocks.value.entries if blocks is not None and isinstance(blocks.value, tree.Mapping) else ():
        yield _List(entry.value.span, tuple(_names(entry.value)))
    yield _List(None, tuple(name for e in root.entries if e is not blocks for name in _names(e.value)))


def _lies_in(place: Span, whole: Span) -> bool:
    return place.file == whole.file and whole[1:3] <= place[1:3] and place[3:5] <= whole[3:5]


def _names(node: tree.Node) -> Iterator[tree.Scalar]:
    """What stands under ``name`` anywhere below."""
    if isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _names(item)
    elif isinstance(node, tree.Mapping):
        for entry in node.entries:
            if entry.name == "name" and isinstance(entry.value, tree.Scalar):
                yield entry.value
            else:
                yield from _names(entry.value)
