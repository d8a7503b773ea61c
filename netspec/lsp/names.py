"""The names of a spec, where each is given and where it is mentioned: blocks, arguments, vars, layers.

From this come going to a definition, finding references and renaming. Names of layers are looked up as the expansion
does it, list by list outward; those that a block does not find in itself are looked up where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostics, Edit, Span
from netspec.lsp.carriers import entries
from netspec.lsp.lists import LayerWalk
from netspec.lsp.mentions import Mention, Name, text_span
from netspec.lsp.place import touches
from netspec.syntax import tree
from netspec.syntax.blocks import Block, read_blocks
from netspec.syntax.environment import RESERVED
from netspec.syntax.expressions import is_expression, parse_expression, parts
from netspec.syntax.scope import INPUT
from netspec.syntax.vocabulary import GROUP, MODIFIERS

FILES = ("include", "extends")
"""Keys that name files."""
_LAYER_NAME = re.compile(r"[\w-]+")


class FileMention(NamedTuple):
    """Where a file is named, and the path as it is written."""

    span: Span
    path: str


class Index:
    """Every mention of every name in the files of one spec, given by their trees."""

    def __init__(self, trees: Mapping[str, tree.Node]) -> None:
        self._roots = [root for root in trees.values() if isinstance(root, tree.Mapping)]
        self.mentions: list[Mention] = []
        self.files: list[FileMention] = []
        self._blocks: dict[str, Block] = {}
        for root in reversed(self._roots):
            self._blocks.update(read_blocks(root, Diagnostics()))
        self._variables = {
            entry.name: Name("var", "", entry.name) for root in self._roots for entry in entries(root, "vars")
        }
        for root in self._roots:
            self._definitions(root)
            self._expressions(root)
            self.files += _files(root)
        self.mentions += LayerWalk(self._roots, self._blocks).mentions()

    def at(self, file: str, line: int, column: int) -> list[Mention]:
        """The mentions at a place; a block that is used in several ways may mean several layers by one name."""
        return [m for m in self.mentions if m.span.file == file and touches(m.span, line, column)]

    def file_at(self, file: str, line: int, column: int) -> FileMention | None:
        """The file that is named at a place."""
        return next((f for f in self.files if f.span.file == file and touches(f.span, line, column)), None)

    def of(self, name: Name) -> list[Mention]:
        """Every mention of a name, each place once."""
        return list({m.span: m for m in self.mentions if m.name == name}.values())

    def linked(self, names: Iterable[Name]) -> set[Name]:
        """These names and those that are mentioned at the same places: one cannot be changed without the others."""
        found = set(names)
        while True:
            places = {mention.span for mention in self.mentions if mention.name in found}
            more = {mention.name for mention in self.mentions if mention.span in places}
            if more <= found:
                return found
            found |= more

    def taken(self, name: Name) -> frozenset[str]:
        """What it may not be called, since that is or hides another name, or would be hidden by it.

        Of layers that is any other's name: lists look names up in the lists around them.
        """
        if name.kind in ("block", "layer"):
            return frozenset(m.name.name for m in self.mentions if m.name.kind == name.kind)
        around = [block for block in self._blocks.values() if self._meets(block, name)]
        scopes = {name.scope, *(block.name for block in around if not name.scope)}
        return frozenset(
            m.name.name
            for m in self.mentions
            if m.name.kind in ("var", "argument")
            and (m.name.scope in scopes or (not m.name.scope and any(block.holds(m.span) for block in around)))
        )

    def _meets(self, block: Block, name: Name) -> bool:
        """Whether a var or argument belongs to a block, or is mentioned in it."""
        return block.name == name.scope or any(block.holds(mention.span) for mention in self.of(name))

    def _definitions(self, root: tree.Mapping) -> None:
        for entry in entries(root, "vars"):
            self._define(Name("var", "", entry.name), entry.key)
        for block in entries(root, "blocks"):
            self._define(Name("block", "", block.name), block.key)
            if isinstance(block.value, tree.Mapping):
                for entry in entries(block.value, "args"):
                    self._define(Name("argument", block.name, entry.name), entry.key)
                for entry in entries(block.value, "vars"):
                    self._define(Name("var", block.name, entry.name), entry.key)

    def _define(self, name: Name, key: tree.Scalar) -> None:
        self.mentions.append(Mention(text_span(key), name, True))

    def _expressions(self, root: tree.Mapping) -> None:
        """Names in expressions; those of a block hide the spec's."""
        for entry in root.entries:
            if entry.name != "blocks":
                self._expressions_in(entry.value, self._variables)
        for block in entries(root, "blocks"):
            own = dict(self._variables)
            if isinstance(block.value, tree.Mapping):
                own |= {e.name: Name("argument", block.name, e.name) for e in entries(block.value, "args")}
                own |= {e.name: Name("var", block.name, e.name) for e in entries(block.value, "vars")}
            self._expressions_in(block.value, own)

    def _expressions_in(self, node: tree.Node, names: Mapping[str, Name]) -> None:
        for scalar in _scalars(node):
            if not is_expression(scalar):
                continue
            parsed = parse_expression(scalar, Diagnostics())
            for part in parts(parsed.root) if parsed is not None else ():
                if part.kind == "name" and part.operator in names and parsed is not None:
                    self.mentions.append(Mention(parsed.span(part), names[part.operator], False))


def refusal(name: Name, new: str, taken: frozenset[str]) -> str | None:
    """Why something may not be called so; None where it may."""
    if new in taken and new != name.name:
        return "something else is called so here"
    if name.kind in ("var", "argument"):
        if new in RESERVED or (name.kind == "argument" and new in MODIFIERS):
            return "that word has a meaning of its own"
        return None if new.isidentifier() else "a name has letters, digits and _ and does not begin with a digit"
    if not _LAYER_NAME.fullmatch(new):
        return "a name has letters, digits, _ and -"
    if name.kind == "layer":
        return "that is what enters the block, or the network" if new == INPUT else None
    declaration = REGISTRIES["op"].get(new)
    if new == GROUP or new in MODIFIERS or (declaration is not None and declaration.public):
        return "that word has a meaning of its own"
    return None


def renaming(mentions: list[Mention], new: str) -> tuple[Edit, ...]:
    """The edits that call something by another name wherever it is mentioned."""
    return tuple(Edit(span, new) for span in dict.fromkeys(mention.span for mention in mentions))


def _files(root: tree.Mapping) -> Iterator[FileMention]:
    for key in FILES:
        entry = root.by_name.get(key)
        for scalar in _scalars(entry.value) if entry is not None else ():
            if isinstance(scalar.value, str) and scalar.value:
                yield FileMention(scalar.span, scalar.value)


def _scalars(node: tree.Node) -> Iterator[tree.Scalar]:
    """Every key and value at and below a node."""
    if isinstance(node, tree.Scalar):
        yield node
    elif isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _scalars(item)
    else:
        for entry in node.entries:
            yield entry.key
            yield from _scalars(entry.value)
