"""Markup from elements, in which text is escaped by construction: a text can only become text.

HTML and SVG are made alike. The one way around escaping is :class:`Trusted`, for markup that this program wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Union

from netspec.diagnostics.markup import as_markup

Content = Union[str, "Element", "Trusted", None, Iterable["Content"]]
"""What can stand in an element. ``None`` is nothing."""
Attribute = str | float | bool | None

_VOID = frozenset({"br", "img", "meta", "link", "wbr", "hr"})


@dataclass(frozen=True, slots=True)
class Trusted:
    """Markup, style or script that goes out as it is. Nothing that a person wrote may be in it unescaped."""

    text: str


@dataclass(frozen=True, slots=True)
class Element:
    """A tag with attributes and content."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Content, ...]


def element(tag: str, *children: Content, **attributes: Attribute) -> Element:
    """An element. In the names of attributes ``_`` stands for ``-``, and one at the end for nothing: ``class_``.

    An attribute that is ``None`` or false is left out, one that is true has no value, a number is written short.
    """
    kept = tuple(
        (name.rstrip("_").replace("_", "-"), _value(value))
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Element(tag, kept, children)


def render(content: Content) -> str:
    """The markup of some content."""
    return "".join(_rendered(content))


def short(value: float) -> str:
    """A number for a drawing: at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _value(value: str | float | bool) -> str:
    if value is True:
        return ""
    return value if isinstance(value, str) else short(value)


def _rendered(content: Content) -> Iterator[str]:
    if content is None:
        return
    if isinstance(content, str):
        yield as_markup(content)
    elif isinstance(content, Trusted):
        yield content.text
    elif isinstance(content, Element):
        attributes = "".join(
            f' {name}="{as_markup(value)}"' if value else f" {name}" for name, value in content.attributes
        )
        yield f"<{content.tag}{attributes}>"
        if content.tag not in _VOID:
            for child in content.children:
                yield from _rendered(child)
            yield f"</{content.tag}>"
    else:
        for each in content:
            yield from _rendered(each)
