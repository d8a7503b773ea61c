"""Pictures of a measurement: well-formed, and what a person wrote is only text in them."""

from __future__ import annotations

from xml.etree import ElementTree

from netspec.bench.picture import _document, _text


def test_a_picture_is_well_formed_whatever_things_are_called() -> None:
    written = _document(100, "a <b> & c", [_text(1.25, 2, "</svg><script>")])
    drawn = ElementTree.fromstring(written)
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a <b> & c", "</svg><script>"]
    assert len(written.splitlines()) > 4
    assert "\\n" not in written
