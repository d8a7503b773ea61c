"""A walk through lists of layers that finds the names of layers and blocks, without working anything out.

A list looks names up in itself, among the layers before, and then in the list around it. The layers of a block are
walked once; what they do not find in the block is looked up again at each of its uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netspec.core.declare import REGISTRIES
from netspec.lsp.carriers import Carriers, given, scalars
from netspec.lsp.mentions import Mention, Name, text_span
from netspec.syntax import tree
from netspec.syntax.blocks import Block
from netspec.syntax.expressions import is_expression
from netspec.syntax.scope import INPUT
from netspec.syntax.vocabulary import GROUP, MODIFIERS


@dataclass(slots=True)
class Layer:
    """A layer that has a name: what it is called, whether it is repeated, and the lists in it (branches by name)."""

    name: Name
    repeated: bool
    inner: List | None = None
    branches: dict[str, List] = field(default_factory=dict)


@dataclass(slots=True)
class List:
    """A list of layers as far as it was walked."""

    place: str
    outer: List | None = None
    block: str = ""
    layers: dict[str, Layer] = field(default_factory=dict)
    free: list[tree.Scalar] = field(default_factory=list)
    """Of the list of a block: mentions that only a use of the block can explain."""

    def find(self, name: str) -> Layer | None:
        """The layer of that name that can be seen from here."""
        found = self.layers.get(name)
        return found if found is not None or self.outer is None else self.outer.find(name)

    @property
    def outermost(self) -> List:
        """The list of the block or of the file."""
        return self if self.outer is None else self.outer.outermost


class LayerWalk:
    """Walks the lists of a spec's files."""

    def __init__(self, roots: Sequence[tree.Mapping], blocks: Mapping[str, Block]) -> None:
        self._roots = roots
        self._blocks = blocks
        self._found: list[Mention] = []
        self._walked: dict[str, List | None] = {}
        self._carriers = Carriers(roots, blocks)

    def mentions(self) -> list[Mention]:
        """Every mention of a layer or block, and of arguments where they are given."""
        for name in self._blocks:
            self._block(name)
        tops = {id(root): self._list(_value(root, GROUP), None) for root in self._roots if GROUP in root.by_name}
        for root in self._roots:  # of a spec that extends another, the layers may stand in that one
            top = tops.get(id(root)) or next(iter(tops.values()), List(""))
            heads = _value(root, "heads")
            for head in heads.entries if isinstance(heads, tree.Mapping) else ():
                if isinstance(head.value, tree.Mapping):
                    self._layer_names(_value(head.value, "from"), top)
                    self._list(_value(head.value, GROUP), top)
            expect = _value(root, "expect")
            shapes = _value(expect, "shapes") if isinstance(expect, tree.Mapping) else None
            for entry in shapes.entries if isinstance(shapes, tree.Mapping) else ():
                self._layer_name(entry.key, top)
        top = next(iter(tops.values()), List(""))
        for carrier, value in self._carriers.given():
            self._carried(value, carrier, None if carrier.scope else top)
        return self._found

    def _block(self, name: str) -> List | None:
        """The list of a block, walked when it is first met; None while that is going on."""
        if name not in self._walked:
            self._walked[name] = None
            self._walked[name] = self._list(self._blocks[name].layers, None, name)
        return self._walked[name]

    def _list(self, node: tree.Node | None, outer: List | None, block: str = "") -> List:
        span = None if node is None else node.span
        place = "" if span is None else f"{span.file}:{span.line}:{span.column}"
        found = List(place, outer, block if outer is None else outer.block)
        for item in node.items if isinstance(node, tree.Sequence) else ():
            self._layer(item, found)
        return found

    def _layer(self, item: tree.Node, around: List) -> None:
        name, repeated = None, False
        if isinstance(item, tree.Mapping):
            for key in ("from", "share"):
                self._layer_names(_value(item, key), around)
            name, repeated = _value(item, "name"), "repeat" in item.by_name
        layer = Layer(Name("layer", around.place, ""), repeated)
        for op, value in op_keys(item):
            self._op(op, value, layer, around)
        if isinstance(name, tree.Scalar) and isinstance(name.value, str):
            layer.name = layer.name._replace(name=name.value)
            around.layers.setdefault(name.value, layer)
            self._mention(name, layer.name, True)

    def _op(self, key: tree.Scalar, value: tree.Node | None, layer: Layer, around: List) -> None:
        op = str(key.value)
        if op == GROUP:
            layer.inner = self._list(value, around)
        for block in self._carriers.called(around.block, key):
            if not is_expression(key):
                self._mention(key, Name("block", "", block.name), False)
            self._call(block, value, layer, around)
        if op not in self._blocks and not is_expression(key):
            self._attributes(op, value, layer, around)

    def _call(self, block: Block, value: tree.Node | None, layer: Layer, around: List) -> None:
        """A use of a block: its arguments, and what its layers look for outside of it."""
        for key, node in given(block, value):
            name = Name("argument", block.name, next(iter(block.args)) if key is None else str(key.value))
            if key is not None:
                self._mention(key, name, False)
            self._carried(node, name, around)
        layer.inner = self._block(block.name)
        for scalar in layer.inner.free if layer.inner is not None else ():
            self._layer_name(scalar, around)

    def _carried(self, node: tree.Node, name: Name, around: List | None) -> None:
        """What is written for an argument or var, if that carries a name."""
        role = self._carriers.roles.get(name)
        for scalar in scalars(node) if role is not None else ():
            if is_expression(scalar):
                continue
            if role == "op" and scalar.value in self._blocks:
                self._mention(scalar, Name("block", "", str(scalar.value)), False)
            elif role == "layer" and around is not None:
                self._layer_name(scalar, around)

    def _attributes(self, op: str, value: tree.Node | None, layer: Layer, around: List) -> None:
        """Branches of a merge, and attributes that name a layer."""
        declaration = REGISTRIES["op"].get(op)
        if declaration is None:
            return
        if declaration.has("merges") and isinstance(value, tree.Sequence):
            for number, branch in enumerate(value.items):
                layer.branches[str(number)] = self._list(_branch(branch), around)
        for entry in value.entries if isinstance(value, tree.Mapping) else ():
            attribute = declaration.attribute(entry.name)
            if attribute is None and declaration.has("merges"):
                layer.branches[entry.name] = self._list(_branch(entry.value), around)
            elif attribute is not None and attribute.kind == "LayerShape":
                self._layer_names(entry.value, around)

    def _layer_names(self, node: tree.Node | None, around: List) -> None:
        for scalar in scalars(node) if node is not None else ():
            if not is_expression(scalar):
                self._layer_name(scalar, around)

    def _layer_name(self, scalar: tree.Scalar, around: List) -> None:
        """A name or path of a layer: every part of it that is written at a layer is a mention."""
        text = str(scalar.value)
        start = 1 if text.startswith("/") else 0
        list_ = around.outermost if start else around
        words = text[start:].split("/")
        layer = list_.find(words[0])
        if layer is None:
            if words[0] != INPUT and scalar not in around.outermost.free:
                around.outermost.free.append(scalar)
            return
        for number, word in enumerate(words):
            if number > 0:
                inner = _within(layer, word) if layer is not None else None
                if isinstance(inner, List):  # a branch, of which the next word is a layer
                    list_, layer = inner, None
                    start += len(word) + 1
                    continue
                layer = inner if inner is not None else (list_.layers.get(word) if layer is None else None)
                if layer is None:
                    return
            if layer is not None and layer.name.name == word:
                self._found.append(Mention(text_span(scalar, start, start + len(word)), layer.name, False))
            start += len(word) + 1

    def _mention(self, scalar: tree.Scalar, name: Name, is_definition: bool) -> None:
        self._found.append(Mention(text_span(scalar), name, is_definition))


def op_keys(item: tree.Node) -> Iterator[tuple[tree.Scalar, tree.Node | None]]:
    """The op keys of a layer with what stands behind each; more than one is a mistake."""
    if isinstance(item, tree.Scalar) and isinstance(item.value, str):
        yield item, None
    elif isinstance(item, tree.Mapping):
        yield from ((entry.key, entry.value) for entry in item.entries if entry.name not in MODIFIERS)


def _within(layer: Layer, word: str) -> Layer | List | None:
    """What one part of a path leads to inside of a layer."""
    if layer.repeated and word.isdecimal():
        return Layer(Name("layer", "", ""), False, layer.inner, layer.branches)  # a copy, which bears no name
    if word in layer.branches:
        return layer.branches[word]
    return None if layer.inner is None else layer.inner.layers.get(word)


def _branch(node: tree.Node) -> tree.Node | None:
    return _value(node, GROUP) if isinstance(node, tree.Mapping) else node


def _value(node: tree.Mapping, key: str) -> tree.Node | None:
    entry = node.by_name.get(key)
    return None if entry is None else entry.value
