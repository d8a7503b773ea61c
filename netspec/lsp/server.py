"""The server: hears the editor, asks `Documents`, answers. Texts are exchanged whole, which for a spec is a few KiB.

Findings are told when no key was hit for a moment, or as soon as a question about the same text has been answered,
since everything is known by then.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from netspec import __version__
from netspec.diagnostics import Diagnostic, Span
from netspec.lint.engine import lint
from netspec.lsp import actions, completion, hints, hover, names, outline, protocol
from netspec.lsp.documents import Documents, Examined
from netspec.lsp.mentions import Mention, Name
from netspec.lsp.protocol import Translator, name_of, uri_of
from netspec.syntax.source import Source

PAUSE = 0.03
"""Seconds without a key after which findings are told."""
_FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.netspec"
_FIRST = "netspec: 1\ninput: [4]\nlayers: [{dense: 2}]\n"
_TRIGGERS = [" ", ":", "-", "$", "{", "[", ","]
_SETTINGS = "**/{pyproject.toml,.netspec.toml,*.yaml,*.yml}"


class Server:
    """What the handlers share: the protocol's end, the texts, and what has been told of which."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.ls = LanguageServer("netspec", __version__, types.TextDocumentSyncKind.Full)
        self._uris: dict[str, str] = {}
        self._versions: dict[str, int | None] = {}
        self._told: dict[str, Examined] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def name(self, uri: str) -> str | None:
        """What the text of an address is called; None where it is not open."""
        name = name_of(uri)
        return name if name in self._uris else None

    def put(self, uri: str, version: int | None, text: str) -> None:
        """Take a text, and tell its findings and those of what rests on it soon."""
        name = name_of(uri)
        self._uris[name], self._versions[name] = uri, version
        for changed in (name, *self.documents.put(name, text)):
            self.tell_soon(changed)

    def close(self, uri: str) -> None:
        """Forget a text and take its findings away."""
        name = name_of(uri)
        if self._uris.pop(name, None) is None:
            return
        for changed in self.documents.close(name):
            self.tell_soon(changed)
        self._told.pop(name, None)
        if name in self._waiting:
            self._waiting.pop(name).cancel()
        self.ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def reload(self) -> None:
        """Look at everything anew."""
        self.documents.reload()
        for name in self._uris:
            self.tell_soon(name)

    def tell_soon(self, name: str) -> None:
        """Tell the findings of a text when no key was hit for a moment."""
        if name in self._waiting:
            self._waiting[name].cancel()
        self._waiting[name] = asyncio.get_running_loop().call_later(PAUSE, self.tell, name)

    def tell(self, name: str) -> None:
        """Tell the findings of a text, unless that has been done."""
        if name in self._waiting:
            self._waiting.pop(name).cancel()
        if name not in self._uris:
            return
        examined = self.documents.examined(name)
        if self._told.get(name) is examined:
            return
        self._told[name] = examined
        found = [self._diagnostic(diagnostic, examined) for diagnostic in examined.diagnostics]
        self.ls.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(self._uris[name], found, self._versions[name])
        )

    def translator(self, name: str) -> Translator:
        """For the places of a text, as it is now."""
        return Translator(self.ls.workspace.position_codec, self.documents.examined(name).lines)

    def translator_in(self, file: str, examined: Examined) -> Translator:
        """For the places of any file that a spec consists of."""
        lines = examined.lines_of(file)
        return Translator(self.ls.workspace.position_codec, lines)

    def location(self, span: Span, examined: Examined) -> types.Location:
        """A place in a file that the spec consists of."""
        return types.Location(uri_of(span.file), self.translator_in(span.file, examined).range(span))

    def _diagnostic(self, diagnostic: Diagnostic, examined: Examined) -> types.Diagnostic:
        file = examined.source.name
        span, notes = diagnostic.span, diagnostic.notes
        if span.file != file:
            named = (m.span for m in examined.index.files if m.span.file == file and _ends(span.file, m.path))
            span, notes = protocol.own_place(diagnostic, file, next(named, Span.of_file(file)))
        related = [types.DiagnosticRelatedInformation(self.location(n.span, examined), n.text) for n in notes]
        return types.Diagnostic(
            self.translator(file).range(span),
            protocol.message(diagnostic),
            protocol.severity(diagnostic),
            diagnostic.code,
            source=protocol.SOURCE,
            tags=protocol.tags(diagnostic),
            related_information=related or None,
        )


def make_server(plugins: bool = True) -> Server:
    """A server with every handler, not yet started."""
    server = Server(Documents(plugins))
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_fault)
    _hear_texts(server)
    _answer_about_lines(server)
    _answer_about_words(server)
    _answer_about_names(server)
    _rename(server)
    _answer_about_findings(server)
    return server


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether a log entry is about more than a refusal, which is an answer like any other."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcException))


def _ends(file: str, path: str) -> bool:
    """Whether a file may be the one that a path names."""
    return Path(file).name == Path(path).name


def _warm_up() -> None:
    """Load what the first answer needs; none of it is garbage, so that nobody is to look through it again."""
    lint(Source("", _FIRST))
    gc.collect()
    gc.freeze()


def _hear_texts(server: Server) -> None:
    ls = server.ls

    @ls.feature(types.INITIALIZED)
    def initialized(params: types.InitializedParams) -> None:
        _warm_up()
        watched = server.ls.client_capabilities.workspace
        files = None if watched is None else watched.did_change_watched_files
        if files is not None and files.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_SETTINGS)])
            wanted = types.Registration("netspec-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            ls.client_register_capability(types.RegistrationParams([wanted]))

    @ls.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.put(params.text_document.uri, params.text_document.version, params.text_document.text)

    @ls.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        text = server.ls.workspace.get_text_document(params.text_document.uri).source
        server.put(params.text_document.uri, params.text_document.version, text)

    @ls.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.close(params.text_document.uri)

    @ls.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        server.reload()

    @ls.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(params: types.DidChangeWatchedFilesParams) -> None:
        server.reload()


def _answer_about_lines(server: Server) -> None:
    ls = server.ls

    @ls.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    def inlay_hint(params: types.InlayHintParams) -> list[types.InlayHint]:
        name = server.name(params.text_document.uri)
        if name is None:
            return []
        translator = server.translator(name)
        found = [translator.hint(hint) for hint in hints.hints(server.documents, name)]
        server.tell(name)
        return [hint for hint in found if params.range.start.line <= hint.position.line <= params.range.end.line]

    @ls.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def document_symbol(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        name = server.name(params.text_document.uri)
        if name is None:
            return []
        translator = server.translator(name)
        return [translator.symbol(symbol) for symbol in outline.symbols(server.documents, name)]

    @ls.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    def folding_range(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        name = server.name(params.text_document.uri)
        return [] if name is None else [protocol.fold(found) for found in outline.folds(server.documents, name)]


def _answer_about_words(server: Server) -> None:
    ls = server.ls

    @ls.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        name = server.name(params.text_document.uri)
        if name is None:
            return None
        translator = server.translator(name)
        found = hover.hover(server.documents, name, *translator.place(params.position))
        if found is None:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
        return types.Hover(content, translator.range(found.span))

    @ls.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))
    def completed(params: types.CompletionParams) -> types.CompletionList | None:
        name = server.name(params.text_document.uri)
        if name is None:
            return None
        translator = server.translator(name)
        found = completion.complete(server.documents, name, *translator.place(params.position))
        if found is None:
            return None
        where, snippets = translator.range(found.span), _knows_snippets(server)
        items = [translator.item(item, order, where, snippets) for order, item in enumerate(found.items)]
        return types.CompletionList(False, items)


def _knows_snippets(server: Server) -> bool:
    texts = server.ls.client_capabilities.text_document
    items = None if texts is None or texts.completion is None else texts.completion.completion_item
    return bool(items is not None and items.snippet_support)


def _answer_about_names(server: Server) -> None:
    ls = server.ls

    @ls.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> list[types.Location]:
        found = _mentioned(server, params)
        if found is None:
            return []
        examined, mentions, file = found
        if file is not None:
            path = Path(examined.source.name).parent / file.path
            start = types.Position(0, 0)
            return [types.Location(uri_of(str(path)), types.Range(start, start))] if path.is_file() else []
        wanted = {mention.name for mention in mentions}
        return [
            server.location(mention.span, examined)
            for mention in examined.index.mentions
            if mention.is_definition and mention.name in wanted
        ]

    @ls.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(params: types.ReferenceParams) -> list[types.Location]:
        found = _mentioned(server, params)
        if found is None or not found[1]:
            return []
        everywhere = _everywhere(server, found[0], [mention.name for mention in found[1]])
        wanted = {
            (mention.span): examined
            for mention, examined in everywhere
            if params.context.include_declaration or not mention.is_definition
        }
        return [server.location(span, examined) for span, examined in wanted.items()]


def _rename(server: Server) -> None:
    ls = server.ls

    @ls.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        found = _mentioned(server, params)
        if found is None or not found[1]:
            return None
        mention = found[1][0]
        return types.PrepareRenamePlaceholder(
            server.translator(found[0].source.name).range(mention.span), mention.name.name
        )

    @ls.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        found = _mentioned(server, params)
        return _renamed(server, found[0], found[1], params.new_name) if found is not None and found[1] else None


def _renamed(server: Server, examined: Examined, mentions: list[Mention], new: str) -> types.WorkspaceEdit:
    """The edits that call by another name what is mentioned; an error where that cannot be."""
    everywhere = _everywhere(server, examined, examined.index.linked(mention.name for mention in mentions))
    for name, where in {mention.name: where for mention, where in everywhere}.items():
        reason = names.refusal(name, new, where.index.taken(name))
        if reason is not None:
            fields = {"name": name.name, "new": new, "reason": reason}
            raise JsonRpcInvalidParams(protocol.message(Diagnostic("NS947", mentions[0].span, fields)))
    changes: dict[str, list[types.TextEdit]] = {}
    for span, where in {mention.span: where for mention, where in everywhere}.items():
        edit = types.TextEdit(server.translator_in(span.file, where).range(span), new)
        changes.setdefault(uri_of(span.file), []).append(edit)
    return types.WorkspaceEdit(changes)


class _AtPosition(Protocol):
    """What the protocol's questions about a word have in common."""

    text_document: types.TextDocumentIdentifier
    position: types.Position


def _mentioned(server: Server, params: _AtPosition) -> tuple[Examined, list[Mention], names.FileMention | None] | None:
    """The text that is meant, what is named at the place, and the file that is named there."""
    name = server.name(params.text_document.uri)
    if name is None:
        return None
    examined = server.documents.examined(name)
    place = server.translator(name).place(params.position)
    return examined, examined.index.at(name, *place), examined.index.file_at(name, *place)


def _everywhere(server: Server, examined: Examined, wanted: Collection[Name]) -> list[tuple[Mention, Examined]]:
    """Every mention of what these names name, in all specs of the project that share the files where it is defined."""
    places = {m.span for m in examined.index.mentions if m.is_definition and m.name in wanted}
    found: list[tuple[Mention, Examined]] = []
    for other in server.documents.specs_of({span.file for span in places}, examined.source.name):
        index = other.index
        same = {m.name for m in index.mentions if m.is_definition and _resolved(m.span) in map(_resolved, places)}
        found += ((mention, other) for mention in index.mentions if mention.name in same)
    return found


def _resolved(span: Span) -> Span:
    return span._replace(file=str(Path(span.file).resolve()))


def _answer_about_findings(server: Server) -> None:
    ls = server.ls
    kinds = types.CodeActionOptions([types.CodeActionKind.QuickFix, _FIX_ALL])

    @ls.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        name = server.name(params.text_document.uri)
        return [] if name is None else list(_code_actions(server, name, params))


def _code_actions(server: Server, name: str, params: types.CodeActionParams) -> Iterator[types.CodeAction]:
    translator, uri = server.translator(name), params.text_document.uri
    wanted = params.context.only or [types.CodeActionKind.QuickFix]
    if any(types.CodeActionKind.QuickFix.value.startswith(str(kind)) for kind in map(_value, wanted)):
        first, last = (translator.place(place)[0] for place in (params.range.start, params.range.end))
        told = {(str(d.code), d.range.start.line): d for d in params.context.diagnostics}
        for action in actions.actions(server.documents, name, first, last):
            finding = told.get((action.finding.code, action.finding.span.line - 1))
            yield types.CodeAction(
                action.title,
                kind=types.CodeActionKind.QuickFix,
                diagnostics=None if finding is None else [finding],
                is_preferred=action.preferred,
                edit=types.WorkspaceEdit({uri: translator.edits(action.edits)}),
            )
    if any(_FIX_ALL.startswith(_value(kind)) for kind in wanted):
        edit = actions.mended(server.documents, name)
        if edit is not None:
            changes = types.WorkspaceEdit({uri: translator.edits([edit])})
            yield types.CodeAction("Mend everything that netspec can mend", kind=_FIX_ALL, edit=changes)


def _value(kind: types.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, types.CodeActionKind) else kind
