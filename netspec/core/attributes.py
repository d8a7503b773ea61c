"""Attributes of a declaration: what a person may write beside an op, and how it is checked.

A declared class annotates its attributes with one of the kinds below and gives each an ``attr(...)``. The kind
yields the JSON Schema fragment, the phrase a message uses for what was expected, and the Python value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

Window = int | tuple[int, ...]
"""One number, or one number per spatial axis."""

Padding = str | int | tuple[int | tuple[int, int], ...]
"""``valid``, ``same``, ``full``, ``causal``, a number, or per axis a number or a ``(before, after)`` pair."""

Margins = int | tuple[int | tuple[int, int], ...]
"""Cells to be added around: a number, or per axis a number or a ``(before, after)`` pair."""

Margin = int | tuple[int, int]
"""Cells to be added at the two ends of one axis: a number for both, or a ``(before, after)`` pair."""

Indices = int | tuple[int, ...]
"""Places along an axis, counted from 0: one, or a list."""

Shape = tuple[int, ...]
"""A shape to be given, channels last; one side may be -1."""

Factor = str | float
"""``learned``, or a fixed number."""

LayerShape = tuple[int, ...]
"""Written as the name of an earlier layer; the instance holds the shape of that layer's output."""

DIALECTS = ("textbook", "caffe", "torch", "keras")
"""Whose defaults hold where frameworks differ; the first is the default."""

PADDING_WORDS = ("valid", "same", "full", "causal")
LEARNED = "learned"


class Required:
    """Marks an attribute without default."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One declared attribute. ``limits`` are JSON Schema keywords such as ``minimum`` or ``enum``."""

    name: str
    kind: str
    default: Any
    doc: str
    limits: Mapping[str, Any]
    dialects: Mapping[str, Any]
    """Other defaults, by dialect."""

    def default_in(self, dialect: str) -> Any:
        """What holds where a spec of this dialect says nothing."""
        return self.dialects.get(dialect, self.default)

    @property
    def required(self) -> bool:
        """Whether a person must write it."""
        return self.default is REQUIRED

    def schema(self) -> dict[str, Any]:
        """JSON Schema of a written value; its ``title`` is the phrase for what is expected.

        It is the same object each time, and nobody changes it.
        """
        return _schema(self.kind, tuple(self.limits.items()))

    def python(self, value: Any) -> Any:
        """The Python value of a written one that passed the schema (lists become tuples, 3.0 becomes 3)."""
        return KINDS[self.kind].python(value)


class Kind(NamedTuple):
    """A type of attribute: its schema under given limits, and its conversion.

    A schema lists its types and puts the limits of each beside one another, never in ``anyOf``: JSON Schema applies a
    keyword only to the type it is about, and a failed ``anyOf`` cannot say what was wrong.
    """

    schema: Callable[[Mapping[str, Any]], dict[str, Any]]
    python: Callable[[Any], Any]


@cache
def _schema(kind: str, limits: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return KINDS[kind].schema(dict(limits))


class _Unbound(NamedTuple):
    """What ``attr`` leaves in the class body until ``declare`` learns name and kind."""

    default: Any
    doc: str
    limits: Mapping[str, Any]
    dialects: Mapping[str, Any]


def attr(*, default: Any = REQUIRED, doc: str, dialects: Mapping[str, Any] | None = None, **limits: Any) -> Any:
    """Declare an attribute: its default (none: required), what it means, and its limits as schema keywords.

    ``dialects`` gives the defaults that differ under another dialect than ``textbook``.
    Common limits: ``minimum``, ``maximum``, ``exclusiveMinimum``, ``exclusiveMaximum``, ``enum``.
    """
    return _Unbound(default, doc, limits, dialects or {})


def bind(name: str, kind: str, unbound: object, public: bool) -> Attribute:
    """Join a class body's ``attr`` with its name and annotation; a mistake of the declaring code is a TypeError.

    An internal declaration is never written by a person, so its attributes may be of any type.
    """
    if not isinstance(unbound, _Unbound):
        raise TypeError(f"attribute {name!r} wants attr(...)")
    if public and kind not in KINDS:
        raise TypeError(f"attribute {name!r} has unknown kind {kind!r}; known: {', '.join(KINDS)}")
    if not set(DIALECTS).issuperset(unbound.dialects):
        raise TypeError(f"attribute {name!r} has a default for an unknown dialect; known: {', '.join(DIALECTS)}")
    return Attribute(name, kind, unbound.default, unbound.doc, unbound.limits, unbound.dialects)


def _bounds(limits: Mapping[str, Any]) -> str:
    words = []
    if "minimum" in limits:
        words.append(f"at least {limits['minimum']}")
    if "exclusiveMinimum" in limits:
        words.append(f"more than {limits['exclusiveMinimum']}")
    if "maximum" in limits:
        words.append(f"at most {limits['maximum']}")
    if "exclusiveMaximum" in limits:
        words.append(f"less than {limits['exclusiveMaximum']}")
    return " of " + " and ".join(words) if words else ""


def _number(name: str, title: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda limits: {"type": [name], "title": title + _bounds(limits), **limits}


def _one_of(words: Sequence[str]) -> str:
    return f"^({'|'.join(words)})$"


def _text(limits: Mapping[str, Any]) -> dict[str, Any]:
    if "enum" in limits:
        words = limits["enum"]
        return {"type": ["string"], "title": "one of " + ", ".join(words), "pattern": _one_of(words), "choices": words}
    return {"type": ["string"], "title": "a text", **limits}


def _window(limits: Mapping[str, Any]) -> dict[str, Any]:
    whole = {"minimum": 1, **limits}
    title = f"a whole number{_bounds(whole)}, or a list with one per axis"
    item = {"type": ["integer"], "title": "a whole number" + _bounds(whole), **whole}
    return {"type": ["integer", "array"], "title": title, "items": item, "minItems": 1, "maxItems": 3, **whole}


def _margin(limits: Mapping[str, Any]) -> dict[str, Any]:
    cells = {"title": "a whole number of at least 0", "minimum": 0}
    return {
        "type": ["integer", "array"],
        "items": {"type": ["integer"], **cells},
        **cells,
        "title": "a whole number of at least 0, or a [before, after] pair",
        "minItems": 2,
        "maxItems": 2,
    }


def _margins(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": ["integer", "array"],
        "title": "a whole number of at least 0, or a list with a number or a [before, after] pair per axis",
        "minimum": 0,
        "items": _margin({}),
        "minItems": 1,
        "maxItems": 3,
    }


def _padding(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_margins({}),
        "type": ["string", "integer", "array"],
        "title": ", ".join(PADDING_WORDS)
        + ", a whole number, or a list with a number or a [before, after] pair per axis",
        "pattern": _one_of(PADDING_WORDS),
        "choices": PADDING_WORDS,
    }


def _indices(limits: Mapping[str, Any]) -> dict[str, Any]:
    item = {"type": ["integer"], "title": "a whole number of at least 0", "minimum": 0}
    title = "a whole number of at least 0, or a list of them"
    return {"type": ["integer", "array"], "title": title, "minimum": 0, "items": item, "minItems": 1}


def _shape(limits: Mapping[str, Any]) -> dict[str, Any]:
    item = {"type": ["integer"], "title": "a whole number of at least 1, or -1 for what is left", "minimum": -1}
    title = "a shape such as [4, 4, 16], in which one side may be -1"
    return {"type": ["array"], "title": title, "items": item, "minItems": 1, "maxItems": 4}


def _factor(limits: Mapping[str, Any]) -> dict[str, Any]:
    title = f"{LEARNED}, or a number" + _bounds(limits)
    words = {"pattern": _one_of((LEARNED,)), "choices": (LEARNED,)}
    return {"type": ["string", "number"], "title": title, **words, **limits}


def _numbers(limits: Mapping[str, Any]) -> dict[str, Any]:
    item = {"type": ["number"], "title": "a number" + _bounds(limits), **limits}
    title = "a number, or a list with one per channel"
    return {"type": ["number", "array"], "title": title, "items": item, "minItems": 1, **limits}


def _numbers_or_word(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, or one of the words that the limit ``enum`` lists."""
    found = _numbers({key: value for key, value in limits.items() if key != "enum"})
    words = limits.get("enum", ())
    if not words:
        return found
    text = {"type": ["string", *found["type"]], "pattern": _one_of(words), "choices": words}
    return {**found, **text, "title": f"{', '.join(words)}, {found['title']}"}


def _number_tree(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Lists within lists, as deep as a parameter has axes at most: three of a window and two of channels."""
    schema: dict[str, Any] = {"type": ["number"], "title": "a number" + _bounds(limits), **limits}
    title = "a number, or a list of such"
    for _ in range(5):
        schema = {"type": ["number", "array"], "title": title, "items": schema, "minItems": 1, **limits}
    return {**schema, "type": ["array"], "title": "a list of numbers, nested or not"}


def _layer_name(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": ["string"], "title": "the name of an earlier layer", **limits}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _whole_tree(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_whole_tree(item) for item in value)
    return _whole(value)


def _float_tuple(value: Any) -> tuple[float, ...]:
    return tuple(float(item) for item in value) if isinstance(value, Sequence) else (float(value),)


def _float_tree(value: Any) -> Any:
    return tuple(map(_float_tree, value)) if isinstance(value, Sequence) else float(value)


def _float_or_word(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)


def _same(value: Any) -> Any:
    return value


KINDS: dict[str, Kind] = {
    "int": Kind(_number("integer", "a whole number"), _whole),
    "float": Kind(_number("number", "a number"), float),
    "bool": Kind(lambda limits: {"type": ["boolean"], "title": "true or false"}, _same),
    "str": Kind(_text, _same),
    "Window": Kind(_window, _whole_tree),
    "Padding": Kind(_padding, _whole_tree),
    "Margins": Kind(_margins, _whole_tree),
    "Margin": Kind(_margin, _whole_tree),
    "Indices": Kind(_indices, _whole_tree),
    "Shape": Kind(_shape, _whole_tree),
    "Factor": Kind(_factor, _float_or_word),
    "LayerShape": Kind(_layer_name, _same),
    "Numbers": Kind(_numbers, _float_tuple),
    "NumbersOrWord": Kind(_numbers_or_word, lambda value: value if isinstance(value, str) else _float_tuple(value)),
    "NumberTree": Kind(_number_tree, _float_tree),
}

Numbers = tuple[float, ...]
"""A number, or one per channel; always a tuple in Python."""

NumbersOrWord = tuple[float, ...] | str
"""The same, or a word that stands for numbers which are found later."""

NumberTree = tuple[Any, ...]
"""A list of numbers, or of lists of them; tuples within tuples in Python."""
