"""Text can only become text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from netspec.diagnostics.text import escape
from netspec.training.report.markup import Trusted, element, render


class Reader(HTMLParser):
    """What a browser would see: tags with attributes, and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(), st.text())
def test_any_text_is_read_back_as_the_text_it_was(text: str, attribute: str) -> None:
    read = Reader(render(element("p", text, title=attribute)))
    assert read.tags == [("p", {"title": escape(attribute) or None})]
    assert "".join(read.texts) == escape(text)


def test_names_of_attributes_and_short_numbers() -> None:
    made = element(
        "line", class_="axis", stroke_width=1.50, x1=1 / 3, viewBox="0 0 1 1", hidden=True, gone=None, no=False
    )
    assert render(made) == '<line class="axis" stroke-width="1.5" x1="0.33" viewBox="0 0 1 1" hidden></line>'


def test_contents_nest_and_only_trusted_markup_is_kept() -> None:
    inside = (part for part in ("<b>", None, [element("br"), Trusted("<b>")]))
    assert render(element("p", inside, element("img", src="x"))) == '<p>&lt;b&gt;<br><b><img src="x"></p>'


def test_what_is_invisible_is_written_out() -> None:
    assert render("a\u202eb\x1b") == "a\\u202eb\\x1b"
