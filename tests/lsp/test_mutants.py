"""Specs that are spoilt by chance: whatever an editor asks about them is answered, in places that the text has."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from pygls.workspace import PositionCodec

from netspec.lsp import actions, completion, hints, hover, outline
from netspec.lsp.documents import Documents
from netspec.lsp.outline import Symbol
from netspec.lsp.protocol import Translator
from netspec.zoo import zoo_names, zoo_path

MUTANTS = 4
"""For each spec that ships."""
WORDS = (
    *("- ", "{", "}", "[", "]", ": ", "$", "\n", "  ", "\t", "'", '"', "*a", "&a ", "null", "~", "layers:", "\r", "😀"),
    *("from: [a, b]", "repeat: 3", "name: conv", "blocks:", "- $act", "heads: {a: {}}", "- - -", "? x\n: y"),
)


def spoilt(text: str, chance: random.Random) -> str:
    """The text with a few pieces of it replaced."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text))
        end = start + chance.choice((0, 0, 1, 3, 20, 200))
        text = text[:start] + chance.choice(WORDS) + text[end:]
    return text


def check_symbols(symbols: Iterable[Symbol]) -> None:
    """What editors ask of an outline: names, each within its part."""
    for symbol in symbols:
        inner, outer = symbol.selection, symbol.span
        assert symbol.name
        assert (outer.line, outer.column) <= (inner.line, inner.column)
        assert (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
        check_symbols(symbol.children)


@pytest.mark.parametrize("spec", zoo_names())
def test_a_spoilt_spec_is_answered(spec: str) -> None:
    chance, name = random.Random(spec), str(zoo_path(spec))
    documents = Documents()
    for _ in range(MUTANTS):
        documents.put(name, zoo_path(spec).read_text())
        documents.examined(name)
        documents.put(name, spoilt(zoo_path(spec).read_text(), chance))
        examined = documents.examined(name)
        translator = Translator(PositionCodec(), examined.lines)
        for hint in hints.hints(documents, name):
            assert translator.hint(hint).position.line < len(examined.lines)
        check_symbols(outline.symbols(documents, name))
        assert all(fold.last <= len(examined.lines) for fold in outline.folds(documents, name))
        for _ in range(3):
            line = chance.randint(1, len(examined.lines))
            column = chance.randint(1, len(examined.lines[line - 1]) + 1)
            hover.hover(documents, name, line, column)
            completion.complete(documents, name, line, column)
            names = [mention.name for mention in examined.index.at(name, line, column)]
            assert set(names) <= examined.index.linked(names)
            list(actions.actions(documents, name, line, line))
