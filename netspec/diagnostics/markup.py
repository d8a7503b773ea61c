"""Text in HTML and SVG: what a person wrote stands there as what it is."""

from __future__ import annotations

from html import escape as escape_html

from netspec.diagnostics.text import escape


def as_markup(text: str) -> str:
    """The text without meaning to HTML and XML, in attributes too, and with everything invisible written out.

    Nothing in it can then hide, or turn the reading direction round.
    """
    return escape_html(escape(text))
