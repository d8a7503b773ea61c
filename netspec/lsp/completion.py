"""What may be written at a cursor.

A word is put there and the text parsed: as it is, as a key, or without what follows and with its brackets closed. Where
the word then is in the tree, the schema says what may stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostics, Span
from netspec.lsp.documents import Documents, Examined
from netspec.lsp.hover import declaration_text, describe
from netspec.lsp.place import Place, Schema, layer_schema, locate
from netspec.syntax import tree
from netspec.syntax.blocks import Block
from netspec.syntax.environment import CHANNELS, INDEX
from netspec.syntax.expressions import FUNCTIONS, is_expression
from netspec.syntax.scope import INPUT
from netspec.syntax.source import Source
from netspec.syntax.vocabulary import GROUP, LANGUAGE_VERSION, MODIFIERS, REQUIRED

Kind = Literal["op", "block", "key", "value", "layer", "var", "function"]

_MARK = "netspec_cursor"
_BEFORE = re.compile(r"[\w-]*$")
_BEHIND = re.compile(r"[\w-]*")
_CLOSERS = {"[": "]", "{": "}"}


class Item(NamedTuple):
    """Something that may be written: ``insert`` in the place of the word; ``documentation`` is Markdown.

    ``snippet`` is the same with places to fill in, ``${1:kernel}``, for editors that know such.
    """

    label: str
    kind: Kind
    insert: str
    detail: str = ""
    documentation: str = ""
    snippet: str | None = None


class Completion(NamedTuple):
    """The word to be replaced and what may stand for it, the likeliest first."""

    span: Span
    items: tuple[Item, ...]


def complete(documents: Documents, name: str, line: int, column: int) -> Completion | None:
    """What may be written at a place of an open text."""
    examined = documents.examined(name)
    if not 1 <= line <= len(examined.lines):
        return None
    text = examined.lines[line - 1]
    before = _BEFORE.search(text[: column - 1])
    behind = _BEHIND.match(text, min(column - 1, len(text)))
    start = before.start() if before else column - 1
    end = behind.end() if behind else column - 1
    good = documents.good(name) or examined
    place = _place(examined, good.schema, line, start, end)
    if place is None:
        return None
    if not documents.is_spec(name):
        place = Place(place.steps[:1], None)
        if not isinstance(place.steps[0].node, tree.Scalar):
            return None
        begin = _key("netspec", good.schema["properties"]["netspec"], good.schema)
        return Completion(Span(name, line, start + 1, line, end + 1), (begin,))
    below = place.steps[-1].entry is not None and place.steps[-1].entry.key.span.line < line
    items = tuple(_items(place, good, text[start - 1 : start] if start else "", below))
    return Completion(Span(name, line, start + 1, line, end + 1), items)


def _place(examined: Examined, schema: Schema, line: int, start: int, end: int) -> Place | None:
    """Where a word stands that is put in the place of the one at the cursor."""
    lines = examined.lines
    head = "\n".join([*lines[: line - 1], lines[line - 1][:start]])
    tail = "\n".join([lines[line - 1][end:], *lines[line:]])
    closers = _closers(head)
    for text in (
        f"{head}{_MARK}{tail}",
        f"{head}{_MARK}: {tail}",
        f"{head}{_MARK}{closers}",
        f"{head}{_MARK}: {closers}",
    ):
        parsed = tree.parse(Source(examined.source.name, text), Diagnostics())
        if parsed is not None:
            place = locate(parsed.root, schema, line, start + 1)
            node = place.value if place.key is None else place.key.key
            if node is not None and _MARK in str(node.value):
                return place
    return None


def _closers(text: str) -> str:
    """The brackets and quotes that are open at the end of a text; what stands in comments and quotes opens none."""
    open_: list[str] = []
    quote = ""
    for row in text.split("\n"):
        for place, sign in enumerate(row):
            if quote:
                quote = "" if sign == quote else quote
            elif sign == "#" and (place == 0 or row[place - 1] in " \t"):
                break
            elif sign in "\"'" and (place == 0 or row[place - 1] in " \t[{,:"):
                quote = sign
            elif sign in _CLOSERS:
                open_.append(_CLOSERS[sign])
            elif open_ and sign == open_[-1]:
                open_.pop()
        if not open_:
            quote = ""  # a quote that is never closed
    return quote + "".join(reversed(open_))


def _items(place: Place, good: Examined, before: str, below: bool) -> Iterator[Item]:
    step = place.steps[-1]
    value = place.value
    if value is not None and (is_expression(value) or before == "$"):
        yield from _names(place, good)
    elif place.key is not None or len(place.steps) == 1:
        yield from _keys(place, good)
    elif value is not None:
        if _takes_layers(place):
            yield from (Item(name, "layer", name, "an earlier layer") for name in _layers(place))
        elif step.schema is layer_schema(place.steps[0].schema):
            yield from _ops(place, good, "")
        else:
            yield from _values(place, good, below)


def _keys(place: Place, good: Examined) -> Iterator[Item]:
    """Keys that are not there yet."""
    step = place.steps[-1]
    there = step.node.by_name.keys() if isinstance(step.node, tree.Mapping) else set()
    if step.schema is layer_schema(place.steps[0].schema):
        if not any(name not in MODIFIERS and _MARK not in name for name in there):
            yield from _ops(place, good, ": ")
        properties = {name: step.schema["properties"][name] for name in MODIFIERS}
    else:
        properties = step.schema.get("properties", {})
    for name, schema in properties.items():
        if name not in there:
            yield _key(name, schema, step.schema)


def _key(name: str, schema: Schema, around: Schema) -> Item:
    required = "required" if name in around.get("required", ()) else ""
    insert = f"{name}: {LANGUAGE_VERSION}" if name == "netspec" else f"{name}: "
    return Item(name, "key", insert, required or str(schema.get("title", "")), "\n\n".join(describe(name, schema)))


def _ops(place: Place, good: Examined, colon: str) -> Iterator[Item]:
    """Blocks and ops, with what they want."""
    for block in good.blocks.values():
        yield _call(block, colon)
    for declaration in REGISTRIES["op"].public():
        needed = [attribute.name for attribute in declaration.attributes if attribute.required]
        insert = f"{declaration.name}: " if needed or colon else declaration.name
        snippet = _snippet(declaration.name, needed, declaration.main)
        yield Item(declaration.name, "op", insert, declaration.doc, declaration_text(declaration), snippet)
    yield Item(GROUP, "op", f"{GROUP}: ", "a list of layers that is used as one layer")


def _call(block: Block, colon: str) -> Item:
    needed = [name for name in block.args if block.requires(name)]
    insert = f"{block.name}: " if needed or colon else block.name
    main = next(iter(block.args), None)
    return Item(block.name, "block", insert, f"block ({', '.join(block.args)})", "", _snippet(block.name, needed, main))


def _snippet(name: str, needed: list[str], main: str | None) -> str | None:
    """The layer with places for what must be written; None where that is nothing."""
    if not needed:
        return None
    if needed == [main]:
        return f"{name}: ${{1:{main}}}"
    inside = ", ".join(f"{attribute}: ${{{number}:{attribute}}}" for number, attribute in enumerate(needed, start=1))
    return f"{name}: {{{inside}}}"


def _values(place: Place, good: Examined, below: bool) -> Iterator[Item]:
    """Words that the schema allows; below its key also the keys of a mapping."""
    step = place.steps[-1]
    schema = step.schema
    types = schema.get("type", ())
    named = "string" in types and "object" in types and "properties" in schema
    for word in schema.get("choices", ()):
        yield Item(str(word), "value", str(word), str(schema.get("title", "")))
    if "boolean" in types:
        yield from (Item(word, "value", word) for word in ("true", "false"))
    if named or (below and "properties" in schema):
        for name, inner in schema["properties"].items():
            if named:
                ending = ": " if below or inner.get("required") else ""
                yield Item(name, "value", f"{name}{ending}", "", "\n\n".join(describe(name, inner)))
            else:
                yield _key(name, inner, schema)
    default = schema.get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        yield Item(str(default), "value", str(default), "what holds where nothing is said")
    if step.entry is not None and step.entry.name == "netspec":
        yield Item(str(LANGUAGE_VERSION), "value", str(LANGUAGE_VERSION), "the language version")
    if len(place.names()) > 2 and place.names()[-2:-1] == ("args",):
        yield Item(REQUIRED, "value", REQUIRED, "this argument must be given")


def _takes_layers(place: Place) -> bool:
    """Whether a layer is named here."""
    names = place.names()
    entry = next((step.entry for step in reversed(place.steps) if step.entry is not None), None)
    if entry is None:
        return False
    op = place.op()
    declaration = None if op is None else REGISTRIES["op"].get(op[0])
    attribute = None if declaration is None else declaration.attribute(entry.name)
    if attribute is not None and attribute.kind == "LayerShape":
        return True
    beside = len(place.steps) > 1 and any(
        step.schema is layer_schema(place.steps[0].schema) for step in place.steps[-3:-1]
    )
    return (entry.name in ("from", "share") and beside) or (names[:1] == ("heads",) and entry.name == "from")


def _layers(place: Place) -> Iterator[str]:
    """Names of layers that come earlier, of the list around the cursor first."""
    seen: list[str] = []
    for outer, inner in zip(reversed(place.steps[:-1]), reversed(place.steps[1:]), strict=True):
        if isinstance(outer.node, tree.Sequence):
            seen += (name for item in reversed(outer.node.items[: inner.position]) if (name := _name(item)))
    root = place.steps[0].node
    layers = root.by_name.get(GROUP) if isinstance(root, tree.Mapping) else None
    if place.names()[:1] == ("heads",) and layers is not None and isinstance(layers.value, tree.Sequence):
        seen += (name for item in reversed(layers.value.items) if (name := _name(item)))
    inputs = root.by_name.get("inputs") if isinstance(root, tree.Mapping) else None
    if inputs is not None and isinstance(inputs.value, tree.Mapping):
        seen += inputs.value.by_name
    yield from dict.fromkeys((*seen, INPUT))


def _name(item: tree.Node) -> str | None:
    entry = item.by_name.get("name") if isinstance(item, tree.Mapping) else None
    return str(entry.value.value) if entry is not None and isinstance(entry.value, tree.Scalar) else None


def _names(place: Place, good: Examined) -> Iterator[Item]:
    """What an expression may use: arguments and vars of the block around, vars of the spec, functions."""
    seen: dict[str, Item] = {}
    root = place.steps[0].node
    block = place.block()
    definition = good.blocks.get(block) if block is not None else None
    if definition is not None:
        seen |= {name: Item(name, "var", name, f"argument of {block}") for name in definition.args}
        seen |= {name: Item(name, "var", name, f"var of {block}") for name in definition.vars}
    for known in (root, good.root):
        variables = known.by_name.get("vars") if isinstance(known, tree.Mapping) else None
        for entry in variables.value.entries if variables and isinstance(variables.value, tree.Mapping) else ():
            if _MARK not in entry.name:
                seen.setdefault(entry.name, Item(entry.name, "var", entry.name, "var of the spec"))
    yield from seen.values()
    yield Item(CHANNELS, "var", CHANNELS, "how many channels come in")
    yield Item(INDEX, "var", INDEX, "which copy of a repeated layer this is, from 0")
    yield from (Item(name, "function", f"{name}(", "function") for name in FUNCTIONS)
