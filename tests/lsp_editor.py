"""An editor for tests of the language server: a real client that speaks to ``netspec lsp`` over stdio.

Its methods block; the client's loop runs in a thread of its own. What the server logs is kept: it must stay empty.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

TIMEOUT = 60
"""Seconds that an answer may take on a machine that does other things too."""


class Editor:
    """One server process and the texts that are open in it."""

    def __init__(self, folder: Path, encodings: tuple[str, ...] | None = None, *options: str) -> None:
        self.folder = folder
        self.diagnostics: dict[tuple[str, int | None], list[types.Diagnostic]] = {}
        self.messages: list[str] = []
        self.versions: dict[str, int] = {}
        self.errors = ""
        self._told = asyncio.Condition()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.client = LanguageClient("netspec-tests", "1")
        self._listen()
        self.capabilities = self.run(self._start(encodings, options)).capabilities

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a piece of work on the client's loop comes to."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, TIMEOUT), self.loop).result()

    @property
    def process(self) -> int:
        """The number of the server's process."""
        assert self.client._server is not None
        return self.client._server.pid

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> str:
        """Open a text, or hand over what it has become; gives its address."""
        uri = self.uri(name)
        self.run(self._put(uri, text))
        return uri

    def findings(self, name: str) -> list[types.Diagnostic]:
        """What the server says of the text as it is now."""
        uri = self.uri(name)
        return self.run(self._findings(uri, self.versions[uri]))

    def codes(self, name: str) -> list[str]:
        return [str(finding.code) for finding in self.findings(name)]

    def at(self, name: str, line: int, character: int) -> dict[str, Any]:
        """Line and character as the protocol counts them, from 0."""
        return {
            "text_document": types.TextDocumentIdentifier(self.uri(name)),
            "position": types.Position(line, character),
        }

    def hints(self, name: str) -> dict[int, str]:
        """The hints by their line, from 1."""
        return {hint.position.line + 1: str(hint.label) for hint in self.run(self._hints(self.uri(name)))}

    def hover(self, name: str, line: int, character: int) -> str:
        params = types.HoverParams(**self.at(name, line, character))
        found = self.run(self.client.text_document_hover_async(params))
        return found.contents.value if found else ""

    def complete(self, name: str, line: int, character: int) -> dict[str, types.CompletionItem]:
        params = types.CompletionParams(**self.at(name, line, character))
        found = self.run(self.client.text_document_completion_async(params))
        return {item.label: item for item in found.items} if found else {}

    def definition(self, name: str, line: int, character: int) -> list[types.Location]:
        params = types.DefinitionParams(**self.at(name, line, character))
        return self.run(self.client.text_document_definition_async(params))

    def references(self, name: str, line: int, character: int) -> list[types.Location]:
        context = types.ReferenceContext(include_declaration=True)
        params = types.ReferenceParams(context, **self.at(name, line, character))
        return self.run(self.client.text_document_references_async(params))

    def rename(self, name: str, line: int, character: int, new: str) -> dict[str, list[types.TextEdit]]:
        place = self.at(name, line, character)
        params = types.RenameParams(place["text_document"], place["position"], new)
        found = self.run(self.client.text_document_rename_async(params))
        return dict(found.changes)

    def actions(self, name: str, line: int, *kinds: types.CodeActionKind) -> list[types.CodeAction]:
        place = types.Range(types.Position(line, 0), types.Position(line, 10_000))
        context = types.CodeActionContext(self.findings(name), only=list(kinds) or None)
        params = types.CodeActionParams(types.TextDocumentIdentifier(self.uri(name)), place, context)
        return self.run(self.client.text_document_code_action_async(params))

    def symbols(self, name: str) -> list[types.DocumentSymbol]:
        params = types.DocumentSymbolParams(types.TextDocumentIdentifier(self.uri(name)))
        return self.run(self.client.text_document_document_symbol_async(params))

    def folds(self, name: str) -> list[tuple[int, int]]:
        params = types.FoldingRangeParams(types.TextDocumentIdentifier(self.uri(name)))
        found = self.run(self.client.text_document_folding_range_async(params))
        return [(fold.start_line, fold.end_line) for fold in found]

    def close(self, name: str) -> None:
        uri = self.uri(name)
        self.versions.pop(uri, None)
        identifier = types.TextDocumentIdentifier(uri)
        self.run(self._notify(self.client.text_document_did_close, types.DidCloseTextDocumentParams(identifier)))

    def save(self, name: str) -> None:
        identifier = types.TextDocumentIdentifier(self.uri(name))
        self.run(self._notify(self.client.text_document_did_save, types.DidSaveTextDocumentParams(identifier)))

    def stop(self) -> int:
        """End the server as an editor does; gives its exit status."""
        status = self.run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT)
        self.loop.close()
        return status

    async def prefix(self, uri: str, text: str) -> list[types.Diagnostic]:
        """Type a text, ask for its hints, and wait for its findings."""
        await self._put(uri, text)
        await self._hints(uri)
        return await self._findings(uri, self.versions[uri])

    def _listen(self) -> None:
        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def told(params: types.PublishDiagnosticsParams) -> None:
            async with self._told:
                self.diagnostics[params.uri, params.version] = list(params.diagnostics)
                self._told.notify_all()

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def shown(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        @self.client.feature(types.WINDOW_LOG_MESSAGE)
        def logged(params: types.LogMessageParams) -> None:
            self.messages.append(params.message)

    async def _start(self, encodings: tuple[str, ...] | None, options: tuple[str, ...]) -> types.InitializeResult:
        await self.client.start_io(sys.executable, "-m", "netspec", "lsp", *options)
        assert self.client._server is not None
        assert self.client._server.stderr is not None
        self._errors = asyncio.ensure_future(self.client._server.stderr.read())
        general = None if encodings is None else types.GeneralClientCapabilities(position_encodings=list(encodings))
        items = types.ClientCompletionItemOptions(snippet_support=True)
        texts = types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(completion_item=items)
        )
        capabilities = types.ClientCapabilities(general=general, text_document=texts)
        found = await self.client.initialize_async(
            types.InitializeParams(capabilities, root_uri=self.folder.as_uri(), process_id=None)
        )
        self.client.initialized(types.InitializedParams())
        return found

    async def _put(self, uri: str, text: str) -> None:
        if uri in self.versions:
            self.versions[uri] += 1
            identifier = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
            change = types.TextDocumentContentChangeWholeDocument(text)
            self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))
        else:
            self.versions[uri] = 1
            item = types.TextDocumentItem(uri, "yaml", 1, text)
            self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    async def _notify(self, notify: Any, params: Any) -> None:
        notify(params)

    async def _hints(self, uri: str) -> list[types.InlayHint]:
        whole = types.Range(types.Position(0, 0), types.Position(1_000_000, 0))
        params = types.InlayHintParams(types.TextDocumentIdentifier(uri), whole)
        return await self.client.text_document_inlay_hint_async(params) or []

    async def _findings(self, uri: str, version: int | None) -> list[types.Diagnostic]:
        async with self._told:
            await self._told.wait_for(lambda: (uri, version) in self.diagnostics)
        return self.diagnostics[uri, version]

    async def _stop(self) -> int:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        server = self.client._server
        assert server is not None
        status = await server.wait()
        self.errors = (await self._errors).decode()
        await self.client.stop()
        return status
