"""YAML text -> tree with positions, from the parser's events; nothing is ever constructed from a tag.

The event stream has no recursion, so depth and expansion are bounded before anything grows. Of PyYAML's two parsers
the one on libyaml is used where it is there, else the one in Python. They give the same tree, save that the latter
refuses a tab between a key and its value, or inside of brackets, which YAML allows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax.cut_expressions import join_expressions
from netspec.syntax.nodes import Entry, Found, Mapping, Node, Scalar, Sequence, Style, Tree, find, key_span, to_plain
from netspec.syntax.scalars import CORE_TAGS, ScalarValue, describe, resolve_plain, resolve_tagged
from netspec.syntax.source import Positions, Source
from netspec.syntax.suggestions import NAMES_SHOWN

__all__ = [
    "Entry",
    "Found",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "Tree",
    "find",
    "key_span",
    "parse",
    "to_plain",
]

DEPTH_LIMIT = 100
"""Levels of nesting, aliases expanded."""
EXPANSION_LIMIT = 100_000
"""Values that all aliases of a file may add together."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAG_PREFIX = "tag:yaml.org,2002:"
_STYLES: dict[str | None, Style] = {"'": "single", '"': "double", "|": "literal", ">": "folded"}


def parse(source: Source, diagnostics: Diagnostics, loader: Any = None) -> Tree | None:
    """The tree of a text, or None when there is none to go on with; every mistake is added to ``diagnostics``.

    After a mistake that leaves the rest readable, such as a key written twice, the tree holds the best guess.
    ``loader`` is a PyYAML loader class; by default the one on libyaml where PyYAML was built with it.
    """
    positions = Positions(source)
    refused = _refused_character(source.text)
    if refused is not None:
        problem = f"the character U+{ord(source.text[refused]):04X} is not allowed"
        diagnostics.append(Diagnostic("NS001", positions.span(refused, refused + 1), {"problem": problem}))
        return None
    builder = _Builder(positions, diagnostics)
    try:
        for event in yaml.parse(source.text, Loader=loader or _LOADER):
            if not builder.take(event):
                break
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes that chr() refuses
        from netspec.syntax.yaml_problems import explain

        diagnostics.append(explain(error, positions, builder.reached))
        return None
    return builder.finish()


class _Frame:
    """A collection that is being read: where it began and what it holds so far, keys and values in turn."""

    __slots__ = ("anchor", "children", "end", "flow", "height", "is_mapping", "size", "start")

    def __init__(self, is_mapping: bool, start: int, flow: bool, anchor: str | None) -> None:
        self.is_mapping = is_mapping
        self.start = start
        self.end = start
        self.flow = flow
        self.anchor = anchor
        self.children: list[Node] = []
        self.size = 1
        self.height = 1


class _Anchored(NamedTuple):
    """A finished value that aliases may name, with its number of values and levels when expanded."""

    node: Node
    size: int
    height: int


class _Builder:
    """Takes events and puts nodes together; a stack of frames instead of recursion."""

    def __init__(self, positions: Positions, diagnostics: Diagnostics) -> None:
        self.reached = 0
        self._positions = positions
        self._text = positions.text
        self._diagnostics = diagnostics
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: begun, not finished
        self._expanded = 0
        self._root: Node | None = None
        self._usable = True
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Add one event; False when the rest of the text need not be read."""
        _, self.reached = _offsets(event)
        if isinstance(event, yaml.ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            return self._open(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._take_alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self._report("NS010", self._span(*_offsets(event)))
                return False
        return True

    def finish(self) -> Tree | None:
        """The tree after the last event, unless a mistake left nothing to go on with."""
        if not self._usable:
            return None
        if self._root is None or (isinstance(self._root, Scalar) and not self._root.raw):
            self._report("NS011", Span.of_file(self._positions.name))
            return None
        return Tree(self._root, self._positions.name)

    def _report(self, code: str, span: Span, *notes: Note, **fields: object) -> None:
        self._diagnostics.append(Diagnostic(code, span, fields, notes))

    def _span(self, start: int, end: int) -> Span:
        return self._positions.span(start, end)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        start, end = _offsets(event)
        tag = None
        if event.anchor or event.tag:
            tag, start = self._properties(start, end)
        raw = self._text[start:end].rstrip(" \t\r\n")  # a block scalar ends behind the blank lines below it
        end = start + len(raw)
        style = _STYLES.get(event.style, "plain")
        span = self._span(start, end)
        node = Scalar(self._scalar_value(event, span, tag, style), span, raw, style)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(node, 1, 1)
        self._add(node, end, 1, 1)

    def _scalar_value(self, event: yaml.ScalarEvent, span: Span, tag: Span | None, style: Style) -> ScalarValue:
        text = event.value
        if style == "double" and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self._report("NS001", span, problem="an escape gives half a character (a lone surrogate)")
            return ""
        kind = self._kind(event.tag, tag)
        try:
            if kind and kind not in ("map", "seq"):
                return resolve_tagged(text, kind)
            if kind:
                raise ValueError(describe(text))
            return resolve_plain(text) if style == "plain" and event.tag != "!" else text
        except ValueError as error:
            if tag:
                self._report("NS003", tag, tag=self._positions.written(tag), found=str(error))
            else:
                self._report("NS014", span, problem=str(error))
                self._usable = False
            return text

    def _kind(self, tag: str | None, place: Span | None) -> str | None:
        """The core tag without its prefix; any other is reported and then treated as not there."""
        if not tag or tag == "!":
            return None
        kind = tag.removeprefix(_CORE_TAG_PREFIX)
        if kind in CORE_TAGS and kind != tag:
            return kind
        if place:
            self._report("NS003", place, tag=self._positions.written(place))
        return None

    def _properties(self, position: int, end: int) -> tuple[Span | None, int]:
        """The span of the tag and the offset of the content, of a value that begins with an anchor or a tag."""
        text, tag = self._text, None
        while position < end:
            sign = text[position]
            if sign == "#":
                position = _skip(text, position, end, "\r\n")
            elif sign in "&!":
                start = position
                if text.startswith("!<", position):
                    position = _skip(text, position, end, ">") + 1
                else:
                    position = _skip(text, position, end, " \t\r\n,[]{}")
                if sign == "!":
                    tag = self._span(start, position)
            elif sign in " \t\r\n":
                position += 1
            else:
                break
        return tag, min(position, end)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> bool:
        start, _ = _offsets(event)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.anchor or event.tag:
            tag, start = self._properties(start, len(self._text))
            kind = self._kind(event.tag, tag)
            if kind and tag and kind != ("map" if is_mapping else "seq"):
                found = "a mapping" if is_mapping else "a list"
                self._report("NS003", tag, tag=self._positions.written(tag), found=found)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(is_mapping, start, bool(event.flow_style), event.anchor))
        if len(self._stack) > DEPTH_LIMIT:
            self._report("NS012", self._span(start, start + 1), limit=DEPTH_LIMIT)
            self._usable = False
            return False
        return True

    def _close(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        frame = self._stack.pop()
        end = _offsets(event)[1] if frame.flow else frame.end
        span = self._span(frame.start, end)
        if frame.flow:
            step = 2 if frame.is_mapping else 1
            frame.children = join_expressions(frame.children, step, self._positions, self._diagnostics)
        node: Node = self._mapping(frame, span) if frame.is_mapping else Sequence(tuple(frame.children), span)
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(node, frame.size, frame.height)
        self._add(node, end, frame.size, frame.height)

    def _take_alias(self, event: yaml.AliasEvent) -> None:
        name, (start, end) = event.anchor or "", _offsets(event)
        span = self._span(start, end)
        node: Node = Scalar(None, span, f"*{name}", "plain")
        size = height = 1
        target = self._anchors.get(name)
        if target is None:
            unfinished = name in self._anchors
            problem = "stands inside the value that it names" if unfinished else "names no anchor before it"
            known = ", ".join(f"*{each}" for each in list(self._anchors)[:NAMES_SHOWN]) or "none"
            advice = f"'&{name}' before a value, above this line, names it; named so far: {known}"
            found = Diagnostic("NS001", span, {"problem": f"alias '*{name}' {problem}"}, help=advice)
            self._diagnostics.append(found)
            self._usable = False
        elif self._expanded + target.size > EXPANSION_LIMIT:
            if self._expanded <= EXPANSION_LIMIT:
                self._report("NS004", span, alias=name, limit=EXPANSION_LIMIT)
            self._expanded = EXPANSION_LIMIT + 1
            self._usable = False
        elif len(self._stack) + target.height - 1 > DEPTH_LIMIT:
            self._report("NS012", span, limit=DEPTH_LIMIT)
            self._usable = False
        else:
            self._expanded += target.size
            size, height = target.size, target.height
            node = target.node
            if isinstance(node, Scalar):
                # What does not suit here is the alias; its anchor may be right where it stands.
                node = node._replace(span=span, raw=f"*{name}")
        self._add(node, end, size, height)

    def _add(self, node: Node, end: int, size: int, height: int) -> None:
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.children.append(node)
        frame.end = end
        frame.size += size
        frame.height = max(frame.height, height + 1)

    def _mapping(self, frame: _Frame, span: Span) -> Mapping:
        by_name: dict[str, Entry] = {}
        merged: list[Node] = []
        for key, value in zip(frame.children[::2], frame.children[1::2], strict=True):
            if isinstance(key, Scalar) and key.value == "<<" and key.style == "plain":
                self._report("NS009", key.span)
                merged += value.items if isinstance(value, Sequence) else [value]
                continue
            named = self._key(key)
            if named is None:
                continue
            name = str(named.value)
            first = by_name.setdefault(name, Entry(name, named, value))
            if first.key is not named:
                self._report("NS002", named.span, Note(first.key.span, "first written here"), key=name)
        for mapping in merged:
            if isinstance(mapping, Mapping):  # the best guess, so that no key is reported as missing
                for name, entry in mapping.by_name.items():
                    by_name.setdefault(name, entry)
        return Mapping(tuple(by_name.values()), span, by_name)

    def _key(self, key: Node) -> Scalar | None:
        """The key with text as its value; None when no text can be made of it."""
        if not isinstance(key, Scalar):
            self._report("NS013", key.span, found="a list" if isinstance(key, Sequence) else "a mapping")
            return None
        if isinstance(key.value, str):
            return key
        self._report("NS013", key.span, found=describe(key.value), key=key.raw or None)
        return key._replace(value=key.raw) if key.raw else None


def _refused_character(text: str) -> int | None:
    """Where the first character stands that YAML does not allow, or a byte order mark, which nobody sees.

    Both parsers refuse the former, in their own words; of the latter each makes something else.
    """
    refused = yaml.reader.Reader.NON_PRINTABLE.search(text)
    mark = text.find("\ufeff")
    places = [place for place in (refused.start() if refused else -1, mark) if place >= 0]
    return min(places, default=None)


def _offsets(event: yaml.Event) -> tuple[int, int]:
    """Where an event begins and ends; PyYAML types the marks as optional, though its parsers always set them."""
    start, end = event.start_mark, event.end_mark
    return (start.index, end.index) if start and end else (0, 0)


def _skip(text: str, position: int, end: int, stop: str) -> int:
    while position < end and text[position] not in stop:
        position += 1
    return position
