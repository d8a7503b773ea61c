"""The symbols of a spec for an editor's outline, and what it can fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from netspec.diagnostics import Span
from netspec.lsp.alignment import Alignment
from netspec.lsp.documents import Documents
from netspec.lsp.lists import op_keys
from netspec.syntax import tree
from netspec.syntax.vocabulary import GROUP

Kind = Literal["section", "block", "argument", "var", "layer", "branch", "head", "key"]


class Symbol(NamedTuple):
    """A part of a spec: ``span`` is all of it, ``selection`` its name."""

    name: str
    kind: Kind
    detail: str
    span: Span
    selection: Span
    children: tuple[Symbol, ...] = ()


class Fold(NamedTuple):
    """Lines that can be folded into the first; they count from 1."""

    first: int
    last: int
    comment: bool = False


def symbols(documents: Documents, name: str) -> tuple[Symbol, ...]:
    """The outline of an open text, as it is or was when it could last be read."""
    examined = documents.examined(name)
    good = examined if examined.root is not None else documents.good(name)
    if good is None or not isinstance(good.root, tree.Mapping):
        return ()
    found = tuple(_section(entry) for entry in good.root.entries)
    if good is examined:
        return found
    return tuple(_moved(found, documents.alignment(name)))


def folds(documents: Documents, name: str) -> list[Fold]:
    """What can be folded in an open text: collections of more than one line, and comments of several lines."""
    examined = documents.examined(name)
    found = dict.fromkeys(_folds(examined.root)) if examined.root is not None else {}
    lines = enumerate(examined.lines, start=1)
    for is_comment, group in groupby(lines, key=lambda pair: pair[1].lstrip().startswith("#")):
        numbers = [number for number, _ in group]
        if is_comment and len(numbers) > 1:
            found[Fold(numbers[0], numbers[-1], True)] = None
    return list(found)


def _section(entry: tree.Entry) -> Symbol:
    """A key at the top with what stands in it."""
    value = entry.value
    children: tuple[Symbol, ...] = ()
    if entry.name == GROUP:
        children = tuple(_layers(value))
    elif isinstance(value, tree.Mapping):
        kinds: dict[str, Kind] = {"vars": "var", "blocks": "block", "heads": "head"}
        kind = kinds.get(entry.name, "key")
        children = tuple(_entry(inner, kind) for inner in value.entries)
    return _symbol(entry, "section", _short(value), children)


def _entry(entry: tree.Entry, kind: Kind) -> Symbol:
    children: list[Symbol] = []
    if kind in ("block", "head") and isinstance(entry.value, tree.Mapping):
        for inner in entry.value.entries:
            if inner.name == GROUP:
                children += _layers(inner.value)
            elif kind == "block" and inner.name in ("args", "vars") and isinstance(inner.value, tree.Mapping):
                inside: Kind = "argument" if inner.name == "args" else "var"
                children += (_entry(e, inside) for e in inner.value.entries)
    return _symbol(entry, kind, _short(entry.value), tuple(children))


def _layers(node: tree.Node) -> Iterator[Symbol]:
    for item in node.items if isinstance(node, tree.Sequence) else ():
        for key, value in op_keys(item):
            named = item.by_name.get("name") if isinstance(item, tree.Mapping) else None
            label = (
                str(named.value.value) if named is not None and isinstance(named.value, tree.Scalar) else str(key.value)
            )
            detail = str(key.value) if label != str(key.value) else _short(value)
            yield Symbol(label or "?", "layer", detail, item.span, key.span, tuple(_inside(str(key.value), value)))


def _inside(op: str, value: tree.Node | None) -> Iterator[Symbol]:
    """What stands in a layer: the layers of a group, the branches of a merge."""
    if op == GROUP and value is not None:
        yield from _layers(value)
    elif isinstance(value, tree.Mapping):
        for entry in value.entries:
            body = entry.value
            if isinstance(body, tree.Mapping) and GROUP in body.by_name:
                body = body.by_name[GROUP].value
            if isinstance(body, tree.Sequence) and any(not isinstance(item, tree.Scalar) for item in body.items):
                yield _symbol(entry, "branch", "", tuple(_layers(body)))
    elif isinstance(value, tree.Sequence):
        for number, item in enumerate(value.items):
            if isinstance(item, tree.Sequence) and item.items:
                yield Symbol(str(number), "branch", "", item.span, item.span, tuple(_layers(item)))


def _symbol(entry: tree.Entry, kind: Kind, detail: str, children: tuple[Symbol, ...] = ()) -> Symbol:
    value = entry.value.span
    key = entry.key.span
    span = key.until(value) if (value.line, value.column) >= (key.line, key.column) else key  # not that of an alias
    return Symbol(entry.name or "?", kind, detail, span, key, children)


def _short(node: tree.Node | None) -> str:
    """A value that is written in few letters."""
    if isinstance(node, tree.Scalar):
        return node.raw if len(node.raw) <= 40 and "\n" not in node.raw else ""
    return ""


def _folds(node: tree.Node) -> Iterator[Fold]:
    inner = node.items if isinstance(node, tree.Sequence) else ()
    if isinstance(node, tree.Mapping):
        for entry in node.entries:
            span = entry.value.span
            if span.end_line > entry.key.span.line:
                yield Fold(entry.key.span.line, span.end_line)
        inner = tuple(entry.value for entry in node.entries)
    for item in inner:
        if isinstance(node, tree.Sequence) and item.span.end_line > item.span.line:
            yield Fold(item.span.line, item.span.end_line)
        yield from _folds(item)


def _moved(symbols: Iterable[Symbol], alignment: Alignment) -> Iterator[Symbol]:
    """Symbols of an earlier text where they are now; one whose end is being written ends with its name."""
    for symbol in symbols:
        selection = alignment.span(symbol.selection)
        if selection is not None:
            span = alignment.span(symbol.span) or selection
            children = tuple(_moved(symbol.children, alignment))
            yield symbol._replace(span=span, selection=selection, children=children)
