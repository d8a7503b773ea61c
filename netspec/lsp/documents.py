"""The texts that an editor holds, and what is known of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.diagnostics.text import split_lines
from netspec.lint.configuration import configuration_for, forget_configurations
from netspec.lint.engine import examine
from netspec.lint.facts import Facts
from netspec.lsp.alignment import Alignment
from netspec.lsp.names import Index
from netspec.syntax import tree
from netspec.syntax.blocks import Block, read_blocks
from netspec.syntax.files import Files, root_of
from netspec.syntax.load import READ
from netspec.syntax.schema import with_blocks
from netspec.syntax.source import Source, decode_source, read_source

NEIGHBOUR_LIMIT = 2_000
"""Files below a project's root that are looked at for uses of a block that several specs share."""


_SPEC = re.compile(r"""^["']?netspec["']?[ \t]*:""", re.MULTILINE)
_ENDINGS = (".netspec.yaml", ".netspec.yml")


class Examined:
    """One text with everything that is said of it; what is asked for seldom is worked out when asked for.

    ``root`` is the tree of this text alone, None where it cannot be read; ``whole`` is the spec with the files that it
    names.
    """

    def __init__(
        self, source: Source, diagnostics: tuple[Diagnostic, ...], texts: Mapping[str, str], facts: Facts | None
    ) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.texts = texts
        self.facts = facts

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self._lines_of[self.source.name]

    @cached_property
    def _lines_of(self) -> dict[str, list[str]]:
        texts = {self.source.name: self.source.text, **self.texts}
        return {name: split_lines(text) for name, text in texts.items()}

    def lines_of(self, file: str) -> list[str]:
        """The lines of any of the files."""
        return self._lines_of.get(file) or [""]

    def written(self, span: Span) -> str:
        """The text at a span of one line, in any of the files."""
        return self._lines_of[span.file][span.line - 1][span.column - 1 : span.end_column - 1]

    @cached_property
    def root(self) -> tree.Node | None:
        """The tree of this text."""
        return self.trees.get(self.source.name)

    @cached_property
    def trees(self) -> dict[str, tree.Node]:
        """The tree of each file that the spec consists of, by its name, as far as they can be read."""
        parsed = {name: tree.parse(Source(name, text), Diagnostics()) for name, text in self.texts.items()}
        return {name: found.root for name, found in parsed.items() if found is not None}

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """The blocks that can be used in this file, by name: its own come last, and hide others of their name."""
        found: dict[str, Block] = {}
        for root in reversed(self.trees.values()):
            if isinstance(root, tree.Mapping):
                found.update(read_blocks(root, Diagnostics()))
        return found

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a spec in which these blocks can be used."""
        return with_blocks({name: block.signature for name, block in self.blocks.items()})

    @cached_property
    def index(self) -> Index:
        """Every name with all its mentions."""
        return Index(self.trees)

    @property
    def is_good(self) -> bool:
        """Whether the text could be read as a spec, even if it is a wrong one."""
        return self.facts is not None


class Documents:
    """The open texts by name; a name is the path of a file, or what the editor calls a text without one.

    An editor hands over every YAML file. Of one that has never had the key ``netspec`` at its top nothing is said.
    """

    def __init__(self, plugins: bool = True) -> None:
        self._plugins = plugins
        self._texts: dict[str, str] = {}
        self._examined: dict[str, Examined] = {}
        self._good: dict[str, Examined] = {}
        self._specs: set[str] = set()

    def put(self, name: str, text: str) -> tuple[str, ...]:
        """Take the text that an editor now holds; the other open texts that consist of it as well are returned."""
        known, self._texts[name] = name in self._texts, text
        if name.endswith(_ENDINGS) or _SPEC.search(text):
            self._specs.add(name)
        return self._changed(name, known)

    def close(self, name: str) -> tuple[str, ...]:
        """Forget a text: what is on the disk holds again."""
        self._texts.pop(name, None)
        self._specs.discard(name)
        self._good.pop(name, None)
        return self._changed(name, False)

    def reload(self) -> None:
        """Look at all files anew, settings too."""
        forget_configurations()
        self._examined.clear()

    def is_spec(self, name: str) -> bool:
        """Whether an open text is a spec, and not some other YAML."""
        return name in self._specs

    def examined(self, name: str) -> Examined:
        """What is known of an open text, as it is now."""
        if name not in self._examined:
            self._examined[name] = found = self._examine(name, self._texts[name])
            if found.is_good:
                self._good[name] = found
        return self._examined[name]

    def good(self, name: str) -> Examined | None:
        """What was known of an open text when it could last be read."""
        self.examined(name)
        return self._good.get(name)

    def alignment(self, name: str) -> Alignment:
        """From the lines of the text when it could last be read to those that it has now."""
        now, good = self.examined(name), self.good(name)
        return Alignment([] if good is None else good.lines, now.lines)

    def specs_of(self, files: set[str], name: str) -> Iterator[Examined]:
        """Every spec of the project that consists of one of these files: open ones as they are, others from the disk.

        ``name`` is an open text, whose project is meant.
        """
        yield self.examined(name)
        wanted = {Path(file).resolve() for file in files}
        words = {path.name for path in wanted}
        for path in self._neighbours(Path(name)):
            text = self._opened.get(path)
            source = read_source(path) if text is None else Source(str(path), text)
            if path == Path(name).resolve() or isinstance(source, Diagnostic):
                continue
            if path in wanted or any(word in source.text for word in words):
                texts = self._texts_of(source)
                if not wanted.isdisjoint(Path(file).resolve() for file in texts):
                    yield Examined(source, (), texts, None)

    def _neighbours(self, path: Path) -> Iterator[Path]:
        """The YAML files of a project."""
        if not path.is_absolute():
            return
        left = NEIGHBOUR_LIMIT
        for folder, folders, files in os.walk(root_of(path)):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
            left -= len(files) + 1
            if left < 0:
                return
            yield from (Path(folder, name).resolve() for name in sorted(files) if name.endswith((".yaml", ".yml")))

    def _texts_of(self, source: Source) -> Mapping[str, str]:
        """The text of each file that a spec consists of."""
        parsed = tree.parse(source, Diagnostics())
        if parsed is None:
            return {}
        files = Files(Diagnostics(), opened=self._opened)
        files.whole(source, parsed.root)
        return files.texts

    @property
    def _opened(self) -> dict[Path, str]:
        return {Path(name).resolve(): text for name, text in self._texts.items() if Path(name).is_absolute()}

    def findings(self, source: Source) -> tuple[Diagnostic, ...]:
        """What is found in another version of an open text."""
        return self._examine(source.name, source.text).diagnostics

    def _examine(self, name: str, text: str) -> Examined:
        if not self.is_spec(name):
            return Examined(Source(name, text), (), {}, None)
        source = decode_source(name, text.encode("utf-8", "surrogatepass"))
        if isinstance(source, Diagnostic):
            return Examined(Source(name, text), (source,), {}, None)
        configuration = configuration_for(Path(name))
        options = READ._replace(opened=self._opened)
        report = examine(source, (), configuration.of(Path(name)), options, self._plugins)
        return Examined(source, (*configuration.diagnostics, *report.diagnostics), report.texts, report.facts)

    def _changed(self, name: str, known: bool) -> tuple[str, ...]:
        """Forget what rests on a text that changed; one that is new or gone may be what others lack or had."""
        others = [
            other for other, found in self._examined.items() if other != name and (not known or _holds(found, name))
        ]
        for stale in (name, *others):
            self._examined.pop(stale, None)
        return tuple(others)


def _holds(examined: Examined, name: str) -> bool:
    """Whether a spec consists of a file too; names of one file may differ by symbolic links."""
    return name in examined.texts or any(Path(file).name == Path(name).name for file in examined.texts)
