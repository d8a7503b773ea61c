"""The linter's settings in ``.netspec.toml`` (table ``lint``) or ``pyproject.toml`` (table ``tool.netspec.lint``).

    [tool.netspec.lint]
    select = ["NS2", "NS3"]                 # codes, or beginnings of codes
    ignore = ["NS310"]
    severity = {NS306 = "info"}
    budgets = {max_params = "5M", max_macs = "1G", max_memory = "2GiB", fits = "8GiB"}

    [tool.netspec.lint.per-file."specs/old/*.yaml"]
    ignore = ["NS3"]

The nearest of these files in the folders around a spec counts. A glob is about the path from the file's folder; its
table may say all that the table around it may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from netspec.core.quantities import quantity
from netspec.diagnostics import Diagnostic, Severity, Span
from netspec.lint.settings import DEFAULT, Budgets, Settings

PER_FILE = "per-file"
_KEYS = ("select", "ignore", "severity", "budgets")
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Configuration(NamedTuple):
    """What one file says: for every spec, and for those whose path from ``folder`` a glob matches."""

    folder: Path
    settings: Settings = DEFAULT
    globs: tuple[tuple[str, Settings], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    texts: Mapping[str, str] = {}

    def of(self, path: Path) -> Settings:
        """The settings of the spec at a path."""
        settings = self.settings
        if self.globs:
            from fnmatch import fnmatchcase

            resolved = path.resolve()
            name = (resolved.relative_to(self.folder) if resolved.is_relative_to(self.folder) else path).as_posix()
            for glob, special in self.globs:
                if fnmatchcase(name, glob):
                    settings = special.over(settings)
        return settings


def configuration_for(path: Path) -> Configuration:
    """The configuration of the spec at a path, whether there is such a file or not."""
    return _in_folder(path.resolve().parent)


def forget_configurations() -> None:
    """Read settings anew when they are next asked for: a program that goes on may see their files change."""
    _in_folder.cache_clear()


_OURS = re.compile(r"tool[\"']?\s*\.\s*[\"']?netspec")
"""What a pyproject.toml with settings of ours holds; most have none, and a parser takes its time to load."""


@cache
def _in_folder(folder: Path) -> Configuration:
    for name in (".netspec.toml", "pyproject.toml"):
        file = folder / name
        text = _text(file)
        if text is not None and (name == ".netspec.toml" or _OURS.search(text)):
            found = _read(file, text)
            if found is not None:
                return found
    return Configuration(folder) if folder.parent == folder else _in_folder(folder.parent)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else None
    except (OSError, UnicodeDecodeError):
        return None  # of pyproject.toml others speak, and a file that is not text configures nothing


def _read(file: Path, text: str) -> Configuration | None:
    """What the file says; None where it has no table for the linter."""
    import os
    import tomllib

    name = os.path.relpath(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (text.count("\n") + 1, 1)
        problem = re.sub(r" \(at .*\)$", "", str(error))
        place = Span(name, line, column, line, column + 1)
        return Configuration(
            file.parent, diagnostics=(_refused(place, f"this is not TOML: {problem}"),), texts={name: text}
        )
    tool = document.get("tool", {}).get("netspec", {})
    table = tool.get("lint") if isinstance(tool, dict) else None
    if table is None and file.name == ".netspec.toml":
        table = document.get("lint")
    if table is None:
        return None
    reader = _Reader(name, text)
    settings, globs = reader.table(table), reader.globs(table)
    return Configuration(file.parent, settings, globs, tuple(reader.diagnostics), {name: text})


class _Reader:
    """Reads tables; what cannot be is reported where its key stands."""

    def __init__(self, name: str, text: str) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._name = name
        self._text = text

    def globs(self, table: Any) -> tuple[tuple[str, Settings], ...]:
        """The settings of single files, by glob."""
        found = table.get(PER_FILE, {}) if isinstance(table, dict) else {}
        if not isinstance(found, dict):
            self._report(PER_FILE, f"'{PER_FILE}' wants a table for each glob")
            return ()
        return tuple((glob, self.table(inner)) for glob, inner in found.items())

    def table(self, table: Any) -> Settings:
        """What one table says."""
        if not isinstance(table, dict):
            self._report("lint", "the linter's settings want a table")
            return DEFAULT
        for key in table.keys() - {*_KEYS, PER_FILE}:
            from netspec.syntax.suggestions import closest

            guess = closest(key, [*_KEYS, PER_FILE])
            advice = f"did you mean '{guess}'?" if guess else f"known here: {', '.join((*_KEYS, PER_FILE))}"
            self._report(key, f"unknown key '{key}'", advice)
        return Settings(
            self._selectors(table, "select") if "select" in table else None,
            self._selectors(table, "ignore"),
            tuple(self._severities(table.get("severity", {}))),
            self._budgets(table.get("budgets", {})),
        )

    def _selectors(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            self._report(key, f"'{key}' wants a list of codes, such as [\"NS301\"]")
            return ()
        return tuple(code for code in found if self._known(code))

    def _known(self, code: str) -> bool:
        from netspec.diagnostics.catalogue import codes
        from netspec.lint.engine import load_rules
        from netspec.lint.settings import unknown_selectors

        if unknown_selectors([code], codes()):
            load_rules()  # it may be a plug-in's
        if unknown_selectors([code], codes()):
            self._report(code, f"no code begins with '{code}'", "netspec rules lists them all")
            return False
        return True

    def _severities(self, found: Any) -> Iterator[tuple[str, Severity]]:
        if not isinstance(found, dict):
            self._report("severity", "'severity' wants a table, such as {NS306 = \"info\"}")
            return
        for code, word in found.items():
            severity = next((known for known in _SEVERITIES if known == word), None)
            if severity is None:
                self._report(code, f"the severity of '{code}' must be one of {', '.join(_SEVERITIES)}")
            elif self._known(code):
                yield code, severity

    def _budgets(self, found: Any) -> Budgets:
        if not isinstance(found, dict):
            self._report("budgets", "'budgets' wants a table, such as {max_params = \"5M\"}")
            return Budgets()
        limits = {}
        for key, written in found.items():
            number = _number(written)
            if key not in Budgets._fields:
                self._report(key, f"unknown budget '{key}'", f"known here: {', '.join(Budgets._fields)}")
            elif number is None:
                self._report(key, f"'{key}' wants a number, maybe with k, M, G, KiB, MiB or GiB behind it")
            else:
                limits[key] = number
        return Budgets(**limits)

    def _report(self, word: str, problem: str, advice: str | None = None) -> None:
        self.diagnostics.append(_refused(self._place(word), problem, advice))

    def _place(self, word: str) -> Span:
        """Where a word stands in the tables of netspec; the parser of TOML tells no places."""
        start = max(self._text.find("netspec.lint"), self._text.find("[lint"), 0)
        at = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", self._text[start:])
        offset = start + at.start() if at else start
        line, column = self._text.count("\n", 0, offset) + 1, offset - self._text.rfind("\n", 0, offset)
        return Span(self._name, line, column, line, column + (len(word) if at else 1))


def _refused(place: Span, problem: str, advice: str | None = None) -> Diagnostic:
    return Diagnostic("NS199", place, {"problem": problem, "advice": advice})


def _number(written: Any) -> int | None:
    """A count or a size in bytes: ``5000``, ``"5M"``, ``"8GiB"``."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    found = quantity(str(written))
    return None if found is None else int(found)
