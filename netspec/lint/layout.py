"""Edits of YAML as a person would make them: comments, order and layout stay.

Every function gives the edits, or None where the text is written in a way that no small edit suits.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from netspec.diagnostics import Diagnostics, Edit, Span
from netspec.diagnostics.text import split_lines
from netspec.syntax import tree
from netspec.syntax.source import Positions, Source

Edits = tuple[Edit, ...]


class Layer(NamedTuple):
    """A layer as it is written: ``item`` of a list, its op's key, and what stands behind that, if anything does."""

    item: tree.Node
    key: tree.Scalar
    value: tree.Node | None


class Page:
    """The text of one file, and the edits that can be made to it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._positions = Positions(source)
        self._lines = split_lines(source.text)

    @cached_property
    def root(self) -> tree.Node | None:
        """The tree of the text, None where it cannot be read."""
        parsed = tree.parse(self.source, Diagnostics())
        return None if parsed is None else parsed.root

    def written(self, span: Span) -> str:
        """The text at a span."""
        return self._positions.written(span)

    def around(self, span: Span) -> list[tree.Node]:
        """The values that hold a place, the outermost first; of a key, the mapping that it belongs to is the last."""
        found: list[tree.Node] = []
        node = self.root
        while node is not None:
            found.append(node)
            inner = node.items if isinstance(node, tree.Sequence) else ()
            if isinstance(node, tree.Mapping):
                inner = tuple(entry.value for entry in node.entries)
            node = next((n for n in inner if _holds(n.span, span)), None)
        return found

    def layer(self, span: Span) -> Layer | None:
        """The layer whose op's key begins at a place."""
        for node in reversed(self.around(span)):
            if isinstance(node, tree.Mapping):
                for entry in node.entries:
                    if entry.key.span[:3] == span[:3]:
                        return Layer(node, entry.key, entry.value)
            elif isinstance(node, tree.Scalar) and node.span[:3] == span[:3]:
                return Layer(node, node, None)
        return None

    def with_attribute(self, layer: Layer, name: str, value: str, main: str | None) -> Edits | None:
        """Write an attribute of the layer's op, in place of what it is now."""
        body = layer.value
        if body is None:
            return (_after(layer.key.span, f": {{{name}: {value}}}"),) if self._begins_item(layer.item) else None
        if isinstance(body, tree.Mapping):
            if name in body.by_name:
                return (Edit(body.by_name[name].value.span, value),)
            return self.with_entry(body, name, value)
        if main is None or not self.written(body.span):
            return None
        if main == name:
            return (Edit(body.span, value),)
        inner = self.written(body.span)
        flow = isinstance(body, tree.Scalar) or inner.startswith("[")
        if not flow or "\n" in inner or (isinstance(body, tree.Scalar) and not _fits_in_braces(body)):
            return None
        return (Edit(body.span, f"{{{main}: {inner}, {name}: {value}}}"),)

    def with_entry(self, mapping: tree.Mapping, name: str, value: str) -> Edits | None:
        """Write one more entry at the end of a mapping."""
        text = f"{name}: {value}"
        if self._is_flow(mapping):
            if not mapping.entries:
                return (Edit(mapping.span, f"{{{text}}}"),)
            return (_after(_end(mapping.entries[-1]), f", {text}"),)
        if not mapping.entries:
            return None
        indent = " " * (mapping.entries[0].key.span.column - 1)
        return (self._below(_end(mapping.entries[-1]), indent + text),)

    def beside(self, layer: Layer, name: str, value: str) -> Edits | None:
        """Write a key beside the layer's op."""
        if isinstance(layer.item, tree.Mapping):
            return self.with_entry(layer.item, name, value)
        if not self._begins_item(layer.item):
            return None
        indent = " " * (layer.key.span.column - 1)
        return (_after(layer.key.span, ":"), self._below(layer.key.span, f"{indent}{name}: {value}"))

    def before(self, layer: Layer, text: str) -> Edits | None:
        """Put another layer, such as ``flatten``, before this one."""
        start = layer.item.span
        place = Span(start.file, start.line, start.column, start.line, start.column)
        if self._begins_item(layer.item):
            prefix = self._lines[start.line - 1][: start.column - 1]
            place = Span(start.file, start.line, 1, start.line, 1)
            return (Edit(place, f"{prefix}{text}\n"),)
        around = [node for node in self.around(start) if isinstance(node, tree.Sequence)]
        if around and self._is_flow(around[-1]) and any(item.span == start for item in around[-1].items):
            return (Edit(place, f"{text}, "),)
        return None

    def moved_in(self, layer: Layer, names: list[str], main: str | None) -> Edits | None:
        """Move keys that stand beside the op into its mapping."""
        item, body = layer.item, layer.value
        if not isinstance(item, tree.Mapping) or body is None or self._is_flow(item):
            return None
        entries = [item.by_name[name] for name in names]
        texts = [self.written(entry.key.span.until(entry.value.span)) for entry in entries]
        if any("\n" in text for text in texts):
            return None
        removals = tuple(self._removal(entry) for entry in entries)
        if isinstance(body, tree.Mapping) and not self._is_flow(body):
            indent = " " * (body.entries[0].key.span.column - 1)
            lines = "".join(f"\n{indent}{text}" for text in texts)
            return (*removals, _after(self._line_end(_end(body.entries[-1])), lines))
        joined = ", ".join(texts)
        if isinstance(body, tree.Mapping):
            last = _after(_end(body.entries[-1]), f", {joined}") if body.entries else Edit(body.span, f"{{{joined}}}")
            return (*removals, last)
        inner = self.written(body.span)
        if not inner:
            return (*removals, Edit(body.span, f" {{{joined}}}"))
        if main is None or "\n" in inner or (isinstance(body, tree.Scalar) and not _fits_in_braces(body)):
            return None
        return (*removals, Edit(body.span, f"{{{main}: {inner}, {joined}}}"))

    def moved_out(self, layer: Layer, names: list[str]) -> Edits | None:
        """Move keys that stand in the op's mapping beside the op."""
        item, body = layer.item, layer.value
        if not isinstance(item, tree.Mapping) or not isinstance(body, tree.Mapping):
            return None
        kept = [entry for entry in body.entries if entry.name not in names]
        entries = [body.by_name[name] for name in names]
        texts = [self.written(entry.key.span.until(entry.value.span)) for entry in entries]
        if not kept or any("\n" in text for text in texts):
            return None
        if self._is_flow(body):
            spans = [entry.key.span.until(_end(entry)) for entry in body.entries]
            remains = ", ".join(self.written(spans[body.entries.index(entry)]) for entry in kept)
            if "\n" in self.written(body.span):
                return None
            inner = Edit(body.span, f"{{{remains}}}")
            if self._is_flow(item):
                return (inner, _after(_end(item.entries[-1]), "".join(f", {text}" for text in texts)))
            indent = " " * (item.entries[0].key.span.column - 1)
            return (inner, self._below(_end(item.entries[-1]), "\n".join(indent + text for text in texts)))
        if layer.key.span != item.entries[-1].key.span:
            return None
        indent = " " * (item.entries[0].key.span.column - 1)
        removals = tuple(self._removal(entry) for entry in entries)
        end = self._line_end(_end(body.entries[-1]))
        return (*removals, _after(end, "".join(f"\n{indent}{text}" for text in texts)))

    def _removal(self, entry: tree.Entry) -> Edit:
        """Take an entry of a block mapping away: its line, or where a comment stands behind it, what is before that."""
        span = entry.key.span.until(_end(entry))
        line = self._lines[span.line - 1]
        behind = line[span.end_column - 1 :]
        if line[: span.column - 1].strip() or behind.strip():
            blanks = len(behind) - len(behind.lstrip())
            return Edit(span._replace(end_column=span.end_column + blanks), "")
        before = self._lines[span.line - 2]
        return Edit(Span(span.file, span.line - 1, len(before) + 1, span.line, len(line) + 1), "")

    def _begins_item(self, item: tree.Node) -> bool:
        """Whether the item begins a line, behind its dash alone."""
        line = self._lines[item.span.line - 1]
        return line[: item.span.column - 1].strip() == "-"

    def _is_flow(self, node: tree.Node) -> bool:
        return self.written(node.span)[:1] in ("{", "[")

    def _below(self, span: Span, text: str) -> Edit:
        return _after(self._line_end(span), f"\n{text}")

    def _line_end(self, span: Span) -> Span:
        """From a span to the end of the line that it ends on, which may hold a comment."""
        return Span(span.file, span.line, span.column, span.end_line, len(self._lines[span.end_line - 1]) + 1)


def _end(entry: tree.Entry) -> Span:
    """The last span of an entry; an empty value ends with its key's colon."""
    value = entry.value
    if isinstance(value, tree.Scalar) and not value.raw:
        key = entry.key.span
        return Span(key.file, key.line, key.column, key.end_line, key.end_column + 1)
    return value.span


def _after(span: Span, text: str) -> Edit:
    return Edit(Span(span.file, span.end_line, span.end_column, span.end_line, span.end_column), text)


def _fits_in_braces(value: tree.Scalar) -> bool:
    """Whether a plain value means the same inside of braces."""
    return value.style != "plain" or (not set(value.raw) & set(",[]{}#") and ": " not in value.raw)


def _holds(outer: Span, inner: Span) -> bool:
    return (outer.line, outer.column) <= (inner.line, inner.column) and (inner.end_line, inner.end_column) <= (
        outer.end_line,
        outer.end_column,
    )
