"""Specs of several files: ``extends`` starts from another spec, ``include`` brings blocks from other files.

Paths are relative to the file that names them. With symbolic links resolved they stay inside of the root, unless it is
said otherwise: the nearest folder around the spec that holds ``.git``, ``pyproject.toml`` or ``.netspec.toml``, else
the spec's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax import tree
from netspec.syntax.schema import spec_schema
from netspec.syntax.source import Source, read_source
from netspec.syntax.validate import Checker

FILE_LIMIT = 100
"""Files that a spec may consist of."""
_MARKS = (".git", "pyproject.toml", ".netspec.toml")


class Files:
    """Reads the files that a spec names. ``texts`` holds the text of each, by the name that diagnostics call it.

    ``opened`` are texts that an editor holds, by resolved path: they stand for what is on the disk.
    """

    def __init__(
        self, diagnostics: Diagnostics, allow_outside: bool = False, opened: Mapping[Path, str] | None = None
    ) -> None:
        self.texts: dict[str, str] = {}
        self._joined_files: dict[Path, tree.Mapping | None] = {}
        self.lacking = False
        """Whether a file that is named cannot be had, so that blocks may be missing."""
        self._diagnostics = diagnostics
        self._allow_outside = allow_outside
        self._opened = opened or {}
        self._root: Path | None = None

    def whole(self, source: Source, root: tree.Node) -> tree.Node:
        """The spec with what it extends beneath it and the blocks that it includes."""
        self.texts[source.name] = source.text
        if not isinstance(root, tree.Mapping) or not {"extends", "include"} & root.by_name.keys():
            return root
        path = Path(source.name)
        self._root = root_of(path)
        return self._joined(root, path, (path.resolve(),))

    def _joined(self, root: tree.Mapping, path: Path, chain: tuple[Path, ...]) -> tree.Mapping:
        base: tree.Mapping | None = None
        included: list[tree.Mapping] = []
        extends, include = root.by_name.get("extends"), root.by_name.get("include")
        if extends is not None:
            base = self._file(extends.value, path, chain)
        for item in include.value.items if include is not None and isinstance(include.value, tree.Sequence) else ():
            found = self._file(item, path, chain)
            if found is not None:
                included.append(found)
        kept = _mapping(root, (entry for entry in root.entries if not _followed(entry)))
        for found in included:
            kept = self._with_blocks(kept, found)
        return kept if base is None else merged(base, kept, spec_schema())

    def _file(self, node: tree.Node, path: Path, chain: tuple[Path, ...]) -> tree.Mapping | None:
        """The tree of a file that is named at a node, with all that it names itself; None where it cannot be had."""
        if not isinstance(node, tree.Scalar) or not isinstance(node.value, str):
            return None  # of which the schema speaks
        named = path.parent / node.value
        resolved = named.resolve()
        assert self._root is not None
        if not self._allow_outside and not resolved.is_relative_to(self._root):
            self._report("NS123", node.span, path=node.value, root=str(self._root))
            return None
        if resolved in chain:
            names = [p.name for p in (*chain[chain.index(resolved) :], resolved)]
            self._report("NS124", node.span, chain=" -> ".join(names))
            return None
        if resolved in self._joined_files:  # the same tree, so that a block that two files bring is one
            return self._joined_files[resolved]
        if len(self.texts) >= FILE_LIMIT:
            self._report("NS122", node.span, path=node.value, problem=f"a spec has at most {FILE_LIMIT} files")
            return None
        name = os.path.normpath(named)
        opened = self._opened.get(resolved)
        source = read_source(named, name=name) if opened is None else Source(name, opened)
        if isinstance(source, Diagnostic):
            problem = source.fields.get("problem") or source.message
            self._report("NS122", node.span, path=node.value, problem=problem)
            return None
        self.texts[source.name] = source.text
        parsed, found = _parsed(source)
        self._diagnostics.extend(found)
        if parsed is None:
            self.lacking = True
            return None
        root = Checker(self._diagnostics).top(parsed.root)
        if not isinstance(root, tree.Mapping):
            self._report("NS122", node.span, path=node.value, problem="it holds no mapping")
            return None
        self._joined_files[resolved] = self._joined(root, named, (*chain, resolved))
        return self._joined_files[resolved]

    def _with_blocks(self, root: tree.Mapping, included: tree.Mapping) -> tree.Mapping:
        """The spec with the blocks of another file before its own; one that is there twice is NS125."""
        own, found = _blocks(root), _blocks(included)
        for name in own.keys() & found.keys():
            if own[name].value is not found[name].value:
                note = Note(found[name].key.span, "defined here as well")
                self._diagnostics.append(Diagnostic("NS125", own[name].key.span, {"name": name}, (note,)))
        entries = {**found, **own}
        span = root.by_name["blocks"].value.span if "blocks" in root.by_name else root.span
        key = tree.Scalar("blocks", span, "blocks", "plain")
        blocks = tree.Entry("blocks", key, tree.Mapping(tuple(entries.values()), span, entries))
        by_name = {**root.by_name, "blocks": blocks}
        return tree.Mapping(tuple(by_name.values()), root.span, by_name)

    def _report(self, code: str, span: Span, **fields: object) -> None:
        self.lacking = True
        self._diagnostics.append(Diagnostic(code, span, fields))


@lru_cache(maxsize=64)  # many specs share their blocks, and an editor asks for the same file at every key
def _parsed(source: Source) -> tuple[tree.Tree | None, tuple[Diagnostic, ...]]:
    found = Diagnostics()
    return tree.parse(source, found), found.sorted()


def merged(base: tree.Mapping, over: tree.Mapping, schema: Any) -> tree.Mapping:
    """``base`` with ``over`` on it: mappings key by key, everything else replaced, a null removes.

    Where one of several is named, as in ``optimizer: {adam: ...}``, another one takes the place of the first.
    """
    if schema.get("maxProperties") == 1 and base.by_name.keys() != over.by_name.keys():
        return over
    found = dict(base.by_name)
    for entry in over.entries:
        old = found.get(entry.name)
        if isinstance(entry.value, tree.Scalar) and entry.value.value is None and old is not None:
            del found[entry.name]
        elif old is not None and isinstance(old.value, tree.Mapping) and isinstance(entry.value, tree.Mapping):
            inner = schema.get("properties", {}).get(entry.name, schema.get("additionalProperties", {}))
            value = merged(old.value, entry.value, inner if isinstance(inner, dict) else {})
            found[entry.name] = entry._replace(value=value)
        else:
            found[entry.name] = entry
    return tree.Mapping(tuple(found.values()), over.span, found)


def _followed(entry: tree.Entry) -> bool:
    """Whether an entry names files as it has to; one that does not stays, for the schema to speak of."""
    if entry.name == "extends":
        return isinstance(entry.value, tree.Scalar) and isinstance(entry.value.value, str)
    items = entry.value.items if entry.name == "include" and isinstance(entry.value, tree.Sequence) else None
    return items is not None and all(isinstance(i, tree.Scalar) and isinstance(i.value, str) for i in items)


def root_of(path: Path) -> Path:
    """The folder that the files of the spec at a path stay in."""
    folder = path.resolve().parent
    return next((f for f in _outward(folder) if any((f / mark).exists() for mark in _MARKS)), folder)


def _outward(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _blocks(root: tree.Mapping) -> dict[str, tree.Entry]:
    entry = root.by_name.get("blocks")
    return dict(entry.value.by_name) if entry is not None and isinstance(entry.value, tree.Mapping) else {}


def _mapping(root: tree.Mapping, entries: Iterator[tree.Entry]) -> tree.Mapping:
    kept = tuple(entries)
    return tree.Mapping(kept, root.span, {entry.name: entry for entry in kept})
