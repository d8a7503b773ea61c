"""A spec that is being typed: every beginning of every spec that ships is answered, and nothing is logged.

Two servers share the work, one for each core of a small machine. Findings and hints are asked of each beginning, and of
every tenth also what else an editor asks while a person types.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from lsp_editor import Editor
from lsprotocol import types

from netspec.zoo import zoo_names, zoo_path

SAMPLES = 200
SERVERS = 2


def beginnings(text: str, count: int | None, seed: str) -> list[str]:
    """Some beginnings of a text by growing length, or all of them."""
    places = range(len(text) + 1)
    chosen = places if count is None else sorted(random.Random(seed).sample(places, min(count, len(places))))
    return [text[:place] for place in chosen]


async def type_in(editor: Editor, name: str, texts: list[str]) -> int:
    """Type beginnings one after the other; gives how many were answered."""
    uri = editor.uri(name)
    identifier = types.TextDocumentIdentifier(uri)
    client = editor.client
    for number, text in enumerate(texts):
        assert isinstance(await editor.prefix(uri, text), list)
        if number % 10 == 0:
            end = types.Position(text.count("\n"), 10_000)
            await client.text_document_completion_async(types.CompletionParams(identifier, end))
            await client.text_document_hover_async(types.HoverParams(identifier, end))
            await client.text_document_definition_async(types.DefinitionParams(identifier, end))
            await client.text_document_document_symbol_async(types.DocumentSymbolParams(identifier))
            await client.text_document_folding_range_async(types.FoldingRangeParams(identifier))
            here = types.Range(types.Position(0, 0), end)
            params = types.CodeActionParams(identifier, here, types.CodeActionContext([]))
            await client.text_document_code_action_async(params)
    return len(texts)


def answered(folder: Path, count: int | None) -> tuple[int, int]:
    """How many beginnings of the specs that ship were answered, and how many there were."""
    (folder / "blocks").mkdir()
    for file in zoo_path("lenet5").parent.glob("blocks/*.yaml"):
        (folder / "blocks" / file.name).write_text(file.read_text())
    names = zoo_names()
    for name in names:
        (folder / f"{name}.yaml").write_text(zoo_path(name).read_text())
    waiting = [(f"{name}.yaml", beginnings((folder / f"{name}.yaml").read_text(), count, name)) for name in names]
    wanted = sum(len(texts) for _, texts in waiting)
    editors = [Editor(folder) for _ in range(SERVERS)]

    async def work(editor: Editor) -> int:
        done = 0
        while waiting:
            done += await type_in(editor, *waiting.pop())
        return done

    futures = [asyncio.run_coroutine_threadsafe(work(editor), editor.loop) for editor in editors]
    done = sum(future.result() for future in futures)
    for editor in editors:
        assert editor.stop() == 0
        assert editor.errors == ""
        assert editor.messages == []
    return done, wanted


@pytest.mark.slow
def test_sampled_beginnings_of_every_spec_are_answered(tmp_path: Path) -> None:
    done, wanted = answered(tmp_path, SAMPLES)
    assert done == wanted
    assert done == SAMPLES * len(zoo_names())


@pytest.mark.long
@pytest.mark.zoo
def test_all_beginnings_of_every_spec_are_answered(tmp_path: Path) -> None:
    done, wanted = answered(tmp_path, None)
    assert done == wanted
