"""The linter's engine: reads specs, runs every rule that is wanted, yields diagnostics in a stable order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from netspec.core.plugins import load_plugins
from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.lint.facts import Facts, layers
from netspec.lint.settings import DEFAULT, Settings
from netspec.syntax.load import READ, ReadOptions, read_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

__all__ = ["RULES", "Facts", "Report", "Rule", "examine", "layers", "lint", "load_rules", "rule"]

PLUGIN_GROUP = "netspec.rules"
_FOLDER = "netspec.lint.rules"

_DOUBTS = ("NS207", "NS208")
"""Findings that say of an input that another shape is meant than the one with which all behind it was looked at."""

Check = Callable[[Facts], Iterable[Diagnostic]]


class Rule(NamedTuple):
    """One rule: its code, its check, and its page (the docstring of its module)."""

    code: str
    check: Check
    page: str


RULES: dict[str, Rule] = {}


def rule(code: str) -> Callable[[Check], Check]:
    """Register the decorated check as the rule of ``code``; its module's docstring is the rule's manual page."""

    def register(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"two rules for {code}")
        module = importlib.import_module(check.__module__)
        RULES[code] = Rule(code, check, (module.__doc__ or "").strip())
        return check

    return register


def load_rules(plugins: bool = True) -> dict[str, Rule]:
    """All rules by code: ours, one module each, and, if wanted, those of installed plug-ins."""
    _load_own()
    if plugins:
        load_plugins(PLUGIN_GROUP)
    own = f"{_FOLDER}."
    return {code: known for code, known in sorted(RULES.items()) if plugins or known.check.__module__.startswith(own)}


@cache
def _load_own() -> None:
    for folder in importlib.import_module(_FOLDER).__path__:
        for path in sorted(Path(folder).glob("[a-z]*.py")):
            importlib.import_module(f"{_FOLDER}.{path.stem}")


class Report(NamedTuple):
    """Every finding about one spec in the order of the file, and the text of each file that the spec consists of.

    ``facts`` are what the rules were told of it; None where there was no spec to tell of.
    """

    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str]
    facts: Facts | None = None


def lint(source: Source, overrides: Sequence[str] = (), settings: Settings = DEFAULT) -> list[Diagnostic]:
    """Every finding about one spec, in the order of the file."""
    return list(examine(source, overrides, settings).diagnostics)


def examine(
    source: Source,
    overrides: Sequence[str] = (),
    settings: Settings = DEFAULT,
    options: ReadOptions = READ,
    plugins: bool = True,
) -> Report:
    """Read one spec and run the rules on it. A rule that is not wanted, or is a plug-in's without leave, does not run.

    Layers of a block are in the graph once for each use; what a rule finds in them is told once. Where an input seems
    to be of another shape than is written, what is found only with the written one follows from that, and is not told.
    """
    report = _examined(source, overrides, settings, options, plugins)
    diagnostics = report.diagnostics
    for meant in _inputs_as_meant(report):
        other = _examined(source, (*overrides, *meant), settings, options, plugins).diagnostics
        if any(d.code in _DOUBTS for d in other):
            return report  # a var has the input's name, so that it cannot be put in from outside
        also = {(d.code, d.span): d for d in reversed(other)}
        kept = (d if d.code in _DOUBTS else also.get((d.code, d.span)) for d in diagnostics)
        diagnostics = tuple(d for d in kept if d is not None)
    return report._replace(diagnostics=diagnostics)


def _inputs_as_meant(report: Report) -> Iterator[list[str]]:
    """What ``--set`` would say of inputs whose shape is in doubt; where the channels lack, also with three of them."""
    doubts = {d.span: d for d in report.diagnostics if d.code in _DOUBTS}
    if report.facts is None or not doubts:
        return
    spec = report.facts.spec
    alone = list(spec.inputs) == ["input"]
    found = {
        "input" if alone else f"inputs.{name}" + ("" if written.source is None else ".shape"): doubts[written.span]
        for name, written in spec.inputs.items()
        if written.span in doubts
    }
    yield [f"{key}={doubt.fields['suggestion']}" for key, doubt in found.items()]
    if any(doubt.code == "NS208" for doubt in found.values()):
        yield [f"{key}={_in_colour(doubt)}" for key, doubt in found.items()]


def _in_colour(doubt: Diagnostic) -> str:
    """The shape that is meant; with three channels where nothing said how many."""
    return f"{str(doubt.fields['shape'])[:-1]}, 3]" if doubt.code == "NS208" else str(doubt.fields["suggestion"])


def _examined(
    source: Source, overrides: Sequence[str], settings: Settings, options: ReadOptions, plugins: bool
) -> Report:
    """Everything that is found with the shapes of inputs as they are written."""
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics, options)
    found = [d for d in diagnostics.sorted() if settings.wants(d.code)]
    texts = {source.name: source.text} if spec is None else dict(spec.texts)
    facts = None
    if spec is not None and not any(d.code == "NS126" for d in diagnostics):  # what was cut off is not judged
        faults = [d.span for d in diagnostics if d.severity == "error"]
        facts = Facts(spec, settings.budgets, faults)
        found += _findings_of_rules(facts, settings, plugins)
    if any("ignore" in text for text in texts.values()):
        from netspec.lint.comments import without_ignored

        found = without_ignored(found, texts, settings, source.name if spec and _whole(spec, diagnostics) else None)
    if found:
        from netspec.lint.repairs import repaired

        found = repaired(found, texts, spec)
    chosen = [
        d if (severity := settings.severity(d.code)) is None else replace(d, severity_override=severity) for d in found
    ]
    return Report(Diagnostics(chosen).sorted(), texts, facts)


def _findings_of_rules(facts: Facts, settings: Settings, plugins: bool) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for code, known in load_rules(plugins).items():
        if settings.wants(code):
            found += {diagnostic.span: diagnostic for diagnostic in reversed(list(known.check(facts)))}.values()
    return found


def _whole(spec: Spec, diagnostics: Diagnostics) -> bool:
    """Whether every rule could see all there is to see."""
    return spec.complete and not diagnostics.has_errors
