"""Answers in the words of the Language Server Protocol: positions in the editor's units, names as addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lsprotocol import types
from pygls import uris
from pygls.workspace import PositionCodec

from netspec.diagnostics import Diagnostic, Edit, Note, Severity, Span
from netspec.lsp.completion import Item
from netspec.lsp.hints import Hint
from netspec.lsp.outline import Fold, Symbol

SOURCE = "netspec"
_FILE = "file:"
_SEVERITIES: dict[Severity, types.DiagnosticSeverity] = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}
_UNUSED = ("NS117", "NS128", "NS129", "NS223")
"""What stands in the file for nothing, so that editors show it pale."""
_ITEMS = {
    "op": types.CompletionItemKind.Function,
    "block": types.CompletionItemKind.Module,
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "layer": types.CompletionItemKind.Reference,
    "var": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
}
_SYMBOLS = {
    "section": types.SymbolKind.Namespace,
    "block": types.SymbolKind.Class,
    "argument": types.SymbolKind.Property,
    "var": types.SymbolKind.Variable,
    "layer": types.SymbolKind.Function,
    "branch": types.SymbolKind.Array,
    "head": types.SymbolKind.Interface,
    "key": types.SymbolKind.Key,
}


def name_of(uri: str) -> str:
    """What the engine calls a text: the path of a file, else its address as it is."""
    path = uris.to_fs_path(uri) if uri.startswith(_FILE) else None
    return path or uri


def uri_of(name: str) -> str:
    """The address of a text; a file that is named by a path from here gets its whole path."""
    if "://" in name or (":" in name and not Path(name).exists()):
        return name
    return uris.from_fs_path(str(Path(name).absolute())) or name


class Translator:
    """Between the places of diagnostics and those of the editor; ``lines`` are those of each text, by its name.

    A place of ours counts from 1, and characters. The protocol counts from 0, and what both sides agreed on: in most
    editors units of UTF-16, of which a character beyond U+FFFF has two.
    """

    def __init__(self, codec: PositionCodec, lines: Sequence[str]) -> None:
        self._codec = codec
        self._lines = lines

    def place(self, position: types.Position) -> tuple[int, int]:
        """Line and column of a position; one behind the end of a line is that end."""
        if position.line >= len(self._lines):
            return len(self._lines), len(self._lines[-1]) + 1
        units, line = 0, self._lines[position.line]
        for column, character in enumerate(line):
            if units >= position.character:
                return position.line + 1, column + 1
            units += self._codec.client_num_units(character)
        return position.line + 1, len(line) + 1

    def position(self, line: int, column: int) -> types.Position:
        """The position of a line and a column; what lies behind the text is its end."""
        number = min(line, len(self._lines))
        text = self._lines[number - 1]
        before = text if number < line else text[: column - 1]
        return types.Position(number - 1, self._codec.client_num_units(before))

    def range(self, span: Span) -> types.Range:
        """The range of a span."""
        return types.Range(self.position(span.line, span.column), self.position(span.end_line, span.end_column))

    def edits(self, edits: Iterable[Edit]) -> list[types.TextEdit]:
        """Edits of this text."""
        return [types.TextEdit(self.range(edit.span), edit.replacement) for edit in edits]

    def hint(self, hint: Hint) -> types.InlayHint:
        """A hint at the end of its place."""
        position = self.position(hint.span.end_line, hint.span.end_column)
        return types.InlayHint(position, hint.text, padding_left=True)

    def symbol(self, symbol: Symbol) -> types.DocumentSymbol:
        """A symbol with its children."""
        return types.DocumentSymbol(
            symbol.name,
            _SYMBOLS[symbol.kind],
            self.range(symbol.span),
            self.range(symbol.selection),
            detail=symbol.detail or None,
            children=[self.symbol(child) for child in symbol.children],
        )

    def item(self, item: Item, order: int, range: types.Range, snippets: bool) -> types.CompletionItem:
        """Something that may be written in the place of a word; ``order`` keeps the likeliest first."""
        snippet = item.snippet if snippets else None
        return types.CompletionItem(
            item.label,
            kind=_ITEMS[item.kind],
            detail=item.detail or None,
            documentation=types.MarkupContent(types.MarkupKind.Markdown, item.documentation)
            if item.documentation
            else None,
            sort_text=f"{order:04}",
            text_edit=types.TextEdit(range, snippet or item.insert),
            insert_text_format=types.InsertTextFormat.Snippet if snippet else types.InsertTextFormat.PlainText,
        )


def fold(found: Fold) -> types.FoldingRange:
    """Lines that can be folded."""
    kind = types.FoldingRangeKind.Comment if found.comment else None
    return types.FoldingRange(found.first - 1, found.last - 1, kind=kind)


def message(diagnostic: Diagnostic) -> str:
    """What a finding says: the message, the formula with its numbers, the way out."""
    parts = (diagnostic.message, diagnostic.formula and f"= {diagnostic.formula}", diagnostic.help_text)
    return "\n".join(part for part in parts if part)


def severity(diagnostic: Diagnostic) -> types.DiagnosticSeverity:
    """How bad it is."""
    return _SEVERITIES[diagnostic.severity]


def tags(diagnostic: Diagnostic) -> list[types.DiagnosticTag] | None:
    """Whether an editor shows the place pale."""
    return [types.DiagnosticTag.Unnecessary] if diagnostic.code in _UNUSED else None


def own_place(diagnostic: Diagnostic, file: str, otherwise: Span) -> tuple[Span, tuple[Note, ...]]:
    """Where a file shows a finding about another one that it includes, and what belongs to it.

    That is where a block of the other file is used, else ``otherwise``, where that file is named.
    """
    own = next((note.span for note in diagnostic.notes if note.span.file == file), otherwise)
    return own, (Note(diagnostic.span, "it stands here"), *diagnostic.notes)
