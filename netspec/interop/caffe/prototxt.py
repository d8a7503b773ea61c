"""The text format of protocol buffers, as far as prototxt uses it: fields with values or messages, and their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from netspec.diagnostics import Diagnostic, Span, SpecError
from netspec.syntax.source import Positions, Source

DEPTH_LIMIT = 20
"""Messages within messages; Caffe has five."""
FIELD_LIMIT = 200_000
"""Fields of a file."""
_TOKEN = re.compile(
    r"""(?P<blank>[\s]+|\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?)
    |(?P<sign>[:{}\[\]<>,;-])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A word, number, text or sign, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, word or text as it is written; a text without its quotes."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in order. ``used`` are the names of those that somebody asked for: the others can be told."""

    span: Span
    fields: list[tuple[str, Span, Scalar | Message]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def all(self, name: str) -> list[Scalar | Message]:
        """Every value of a field."""
        self.used.add(name)
        return [value for key, _, value in self.fields if key == name]

    def messages(self, name: str) -> list[Message]:
        """Every message of a field; a scalar there is refused."""
        found = self.all(name)
        for value in found:
            if isinstance(value, Scalar):
                raise refused(value.span, f"'{name}' wants a message in braces")
        return [value for value in found if isinstance(value, Message)]

    def message(self, name: str) -> Message:
        """The last message of a field; an empty one where there is none."""
        return (self.messages(name) or [Message(self.span)])[-1]

    def scalars(self, name: str) -> list[Scalar]:
        """Every scalar of a field; a message there is refused."""
        found = self.all(name)
        for value in found:
            if isinstance(value, Message):
                raise refused(value.span, f"'{name}' wants a value, not a message")
        return [value for value in found if isinstance(value, Scalar)]

    def text(self, name: str, default: str = "") -> str:
        """The last scalar of a field as it is written."""
        found = self.scalars(name)
        return found[-1].text if found else default

    def texts(self, name: str) -> list[str]:
        """Every scalar of a field as it is written."""
        return [scalar.text for scalar in self.scalars(name)]

    def wholes(self, name: str) -> list[int]:
        """Every whole number of a field."""
        return [_whole(scalar, name) for scalar in self.scalars(name)]

    def whole(self, name: str, default: int) -> int:
        """The last whole number of a field."""
        return (self.wholes(name) or [default])[-1]

    def numbers(self, name: str) -> list[float]:
        """Every number of a field."""
        return [_number(scalar, name) for scalar in self.scalars(name)]

    def number(self, name: str, default: float) -> float:
        """The last number of a field."""
        return (self.numbers(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        """The last truth value of a field."""
        found = self.scalars(name)
        if not found:
            return default
        if found[-1].text not in ("true", "false", "1", "0"):
            raise refused(found[-1].span, f"'{name}' wants true or false, not '{found[-1].text[:40]}'")
        return found[-1].text in ("true", "1")

    def unused(self) -> Iterator[tuple[str, Span]]:
        """Fields that nobody asked for, with those of the messages inside."""
        for name, span, value in self.fields:
            if name not in self.used:
                yield name, span
            elif isinstance(value, Message):
                yield from value.unused()


def refused(span: Span, problem: str) -> SpecError:
    """The error of one place that is not what prototxt has there."""
    return SpecError([Diagnostic("NS973", span, {"problem": problem})])


def _whole(scalar: Scalar, name: str) -> int:
    if not re.fullmatch(r"[-+]?\d{1,15}", scalar.text):
        raise refused(scalar.span, f"'{name}' wants a whole number, not '{scalar.text[:40]}'")
    return int(scalar.text)


def _number(scalar: Scalar, name: str) -> float:
    try:
        return float(scalar.text.rstrip("fF"))
    except ValueError:
        raise refused(scalar.span, f"'{name}' wants a number, not '{scalar.text[:40]}'") from None


def parse(source: Source) -> Message:
    """The message that a file holds; a SpecError at the first place that is no prototxt."""
    return _Parser(source).whole()


class _Parser:
    """Reads token by token; open messages are a stack, so that no depth of nesting is one of Python's."""

    def __init__(self, source: Source) -> None:
        self._positions = Positions(source)
        self._text = source.text
        self._tokens = self._scan()
        self._next = next(self._tokens)
        self._fields = 0

    def _scan(self) -> Iterator[Token]:
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise refused(self._positions.span(place, place + 1), "this character has no place in a prototxt")
            kind = found.lastgroup or ""
            if kind != "blank":
                yield Token(kind, found.group(), place, found.end())
            place = found.end()
        yield Token("end", "", place, place)

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _span(self, token: Token) -> Span:
        return self._positions.span(token.start, token.end)

    def whole(self) -> Message:
        """All fields of the file."""
        root = Message(self._positions.span(0, 0))
        stack: list[tuple[Message, str]] = [(root, "")]
        while True:
            token = self._take()
            message, closing = stack[-1]
            if token.text in (",", ";") and token.kind == "sign":
                continue
            if token.kind == "end" and not closing:
                return root
            if token.kind == "sign" and token.text == closing:
                stack.pop()
                continue
            if token.kind != "word":
                wanted = f"the name of a field or '{closing}'" if closing else "the name of a field"
                found = f"'{token.text[:40]}'" if token.text else "the end of the file"
                raise refused(self._span(token), f"{wanted} was expected, but got {found}")
            inner = self._field(message, token)
            if inner is not None:
                if len(stack) > DEPTH_LIMIT:
                    raise refused(self._span(token), f"messages are nested more than {DEPTH_LIMIT} deep")
                stack.append(inner)

    def _field(self, message: Message, name: Token) -> tuple[Message, str] | None:
        """One field; where it is a message, that and what closes it."""
        self._fields += 1
        if self._fields > FIELD_LIMIT:
            raise refused(self._span(name), f"there are more than {FIELD_LIMIT:,} fields")
        colon = self._next.text == ":" and self._next.kind == "sign"
        if colon:
            self._take()
        if self._next.kind == "sign" and self._next.text in ("{", "<"):
            opened = self._take()
            inner = Message(self._span(name))
            message.fields.append((name.text, self._span(name), inner))
            return inner, "}" if opened.text == "{" else ">"
        if not colon:
            raise refused(self._span(name), f"'{name.text[:40]}' is followed by neither ':' nor a message in braces")
        if self._next.kind == "sign" and self._next.text == "[":
            self._take()
            while self._next.text != "]" or self._next.kind != "sign":
                message.fields.append((name.text, self._span(name), self._scalar()))
                if self._next.text == ",":
                    self._take()
            self._take()
            return None
        message.fields.append((name.text, self._span(name), self._scalar()))
        return None

    def _scalar(self) -> Scalar:
        token = self._take()
        if token.kind == "text":
            parts, end = [token.text[1:-1]], token.end
            while self._next.kind == "text":  # texts side by side are one
                token_more = self._take()
                parts.append(token_more.text[1:-1])
                end = token_more.end
            return Scalar("".join(parts), self._positions.span(token.start, end))
        if token.kind not in ("word", "number"):
            found = f"'{token.text}'" if token.text else "the end of the file"
            raise refused(self._span(token), f"a value was expected, but got {found}")
        return Scalar(token.text, self._span(token))
