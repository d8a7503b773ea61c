"""Places in the units that the protocol counts in: a character beyond U+FFFF has two of UTF-16, up to four of UTF-8."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lsp_editor import Editor
from lsprotocol import types
from pygls.workspace import PositionCodec

from netspec.diagnostics import Span
from netspec.lsp.protocol import Translator

SPEC = 'netspec: 1\nvars: {a: 3}\ninput: [4]\nlayers: [{dense: {units: 3}, name: "𝒳é"}, {dense: $a}, reluu]\n'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-32"])
def test_a_finding_behind_wide_characters_is_at_its_place(start: Callable[..., Editor], encoding: str) -> None:
    editor = start((encoding,))
    assert editor.capabilities.position_encoding == encoding
    editor.open("wide.yaml", SPEC)
    finding = next(found for found in editor.findings("wide.yaml") if found.code == "NS104")
    line = SPEC.split("\n")[3]
    codec = f"{encoding}-le" if encoding != "utf-8" else encoding
    size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    start_at, end_at = (len(line[: line.index(part)].encode(codec)) // size for part in ("reluu", "]"))
    if line.index("]") < line.index("reluu"):
        end_at = start_at + 5
    assert (finding.range.start.character, finding.range.end.character) == (start_at, end_at)
    (definition,) = editor.definition("wide.yaml", 3, len(line[: line.index("$a") + 1].encode(codec)) // size)
    assert definition.range == types.Range(types.Position(1, 7), types.Position(1, 8))


def test_what_lies_outside_of_the_text_is_its_nearest_end() -> None:
    translator = Translator(PositionCodec(), ["𝒳y", ""])
    assert translator.place(types.Position(0, 2)) == (1, 2)
    assert translator.place(types.Position(0, 1)) == (1, 2)
    assert translator.place(types.Position(0, 99)) == (1, 3)
    assert translator.place(types.Position(9, 9)) == (2, 1)
    assert translator.range(Span("", 1, 2, 9, 1)) == types.Range(types.Position(0, 2), types.Position(1, 0))


def test_only_line_ends_of_the_protocol_end_lines(start: Callable[..., Editor]) -> None:
    editor = start(None)
    editor.open("ends.yaml", "netspec: 1 # \u2028 \x85\r\ninput: [4]\rlayers:\n  - densse: 3\n")
    finding = next(found for found in editor.findings("ends.yaml") if found.code == "NS104")
    assert finding.range.start == types.Position(3, 4)
