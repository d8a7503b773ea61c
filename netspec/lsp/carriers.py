"""Arguments and vars that carry a name: of the op that stands at their place, or of a layer that is taken.

``- $act`` makes ``act`` a carrier of ops, ``from: $skip`` makes ``skip`` one of layers, and what is handed on to such
an argument is one too. What is written for a carrier is then a mention of what it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from netspec.lsp.mentions import Name
from netspec.syntax import tree
from netspec.syntax.blocks import Block
from netspec.syntax.expressions import is_expression
from netspec.syntax.vocabulary import REQUIRED

Role = Literal["op", "layer"]
LAYER_KEYS = ("from", "share", "like")
"""Keys whose values name layers."""


class Carriers:
    """What arguments and vars carry in the files of a spec. ``roles`` tells of which kind the names are."""

    def __init__(self, roots: Sequence[tree.Mapping], blocks: Mapping[str, Block]) -> None:
        self._blocks = blocks
        self._variables: list[tree.Entry] = []
        self._scopes: list[tuple[str, tree.Node]] = []
        for root in roots:
            self._variables += entries(root, "vars")
            self._scopes += (("", entry.value) for entry in root.entries if entry.name in ("layers", "heads"))
        self._scopes += ((block.name, block.layers) for block in blocks.values() if block.layers is not None)
        self.roles: dict[Name, Role] = {}
        self._flows: dict[Name, set[Name]] = {}
        self._literals: dict[Name, set[str]] = {}
        known = -1
        while known < (size := self._size()):  # each round may show that one more hands a name on
            known = size
            self._spread()

    def name(self, scope: str, scalar: tree.Scalar) -> Name:
        """What the one word of an expression means in a block, or outside of any where ``scope`` is empty."""
        word = str(scalar.value).lstrip("$(").rstrip(")").strip()
        block = self._blocks.get(scope)
        if block is not None and word in block.args:
            return Name("argument", scope, word)
        return Name("var", scope if block is not None and word in block.vars else "", word)

    def ops(self, name: Name) -> frozenset[str]:
        """The ops and blocks that a carrier may stand for."""
        found: set[str] = set()
        waiting, seen = [name], {name}
        while waiting:
            carrier = waiting.pop()
            found |= self._literals.get(carrier, set())
            new = self._flows.get(carrier, set()) - seen
            seen |= new
            waiting += new
        return frozenset(found)

    def given(self) -> Iterator[tuple[Name, tree.Node]]:
        """What is written for carriers where they are defined: a default, the value of a var."""
        for name in self.roles:
            block = self._blocks.get(name.scope)
            if name.kind == "argument" and block is not None:
                yield name, block.args[name.name].value
            elif block is not None:
                yield name, block.vars[name.name].value
            else:  # a spec and the one that it extends may both say it
                yield from ((name, entry.value) for entry in self._variables if entry.name == name.name)

    def _size(self) -> int:
        flows, literals = (sum(map(len, found.values())) for found in (self._flows, self._literals))
        return len(self.roles) + flows + literals

    def _spread(self) -> None:
        for scope, node in self._scopes:
            self._look(node, scope)
        for name, value in list(self.given()):
            self._hand(value, name, name.scope)

    def _look(self, node: tree.Node, scope: str) -> None:
        """Find carriers in what is written in a scope."""
        if isinstance(node, tree.Sequence):
            for item in node.items:
                if isinstance(item, tree.Scalar) and is_expression(item):
                    self.roles.setdefault(self.name(scope, item), "op")
                self._look(item, scope)
        elif isinstance(node, tree.Mapping):
            for entry in node.entries:
                if is_expression(entry.key):
                    self.roles.setdefault(self.name(scope, entry.key), "op")
                if entry.name in LAYER_KEYS:
                    for scalar in scalars(entry.value):
                        if is_expression(scalar):
                            self.roles.setdefault(self.name(scope, scalar), "layer")
                for block in self.called(scope, entry.key):
                    for key, value in given(block, entry.value):
                        argument = next(iter(block.args)) if key is None else str(key.value)
                        self._hand(value, Name("argument", block.name, argument), scope)
                self._look(entry.value, scope)

    def called(self, scope: str, key: tree.Scalar) -> list[Block]:
        """The blocks that an op key may call."""
        words = self.ops(self.name(scope, key)) if is_expression(key) else (str(key.value),)
        return [self._blocks[word] for word in words if word in self._blocks]

    def _hand(self, value: tree.Node, target: Name, scope: str) -> None:
        """Note what is handed to an argument or var, if that carries names."""
        role = self.roles.get(target)
        if role is None:
            return
        for scalar in scalars(value):
            if is_expression(scalar):
                source = self.name(scope, scalar)
                self.roles.setdefault(source, role)
                self._flows.setdefault(target, set()).add(source)
            elif isinstance(scalar.value, str):
                self._literals.setdefault(target, set()).add(scalar.value)


def given(block: Block, value: tree.Node | None) -> Iterator[tuple[tree.Scalar | None, tree.Node]]:
    """What a call gives to a block: each argument's key, None for the first one alone, and its value."""
    if isinstance(value, tree.Mapping):
        yield from ((entry.key, entry.value) for entry in value.entries if entry.name in block.args)
    elif value is not None and block.args:
        yield None, value


def scalars(node: tree.Node) -> Iterator[tree.Scalar]:
    """A text or an expression, or those of a list."""
    for item in node.items if isinstance(node, tree.Sequence) else (node,):
        if isinstance(item, tree.Scalar) and isinstance(item.value, str) and item.value not in ("", REQUIRED):
            yield item


def entries(node: tree.Mapping, key: str) -> tuple[tree.Entry, ...]:
    """The entries of the mapping under a key, if it is one."""
    entry = node.by_name.get(key)
    return entry.value.entries if entry is not None and isinstance(entry.value, tree.Mapping) else ()
