"""SARIF and JUnit XML are valid by the published schemas, whatever was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from jsonschema import Draft4Validator

from netspec.diagnostics import Diagnostic, Edit, Fix, Note, Span
from netspec.diagnostics.catalogue import codes
from netspec.diagnostics.github import render_github
from netspec.diagnostics.junit import render_junit
from netspec.diagnostics.sarif import sarif_document
from netspec.lint.engine import examine
from netspec.syntax.source import Source

SCHEMAS = Path(__file__).parent / "schemas"
REALISTIC = sorted((Path(__file__).parent.parent / "lint_cases" / "realistic").glob("*.yaml"))


NAMES = ("name", "suggestion")
NASTY = "a b,c:d%\n<&\"'>ä.yaml"


@pytest.fixture(scope="module")
def found() -> tuple[list[Diagnostic], list[str]]:
    """All that is found in the realistic mistakes, and one with everything that is awkward."""
    reports = [examine(Source(path.name, path.read_text(encoding="utf-8"))) for path in REALISTIC]
    place = Span(NASTY, 1, 1, 2, 3)
    fix = Fix("Write <'&\"%>", (Edit(place, "\x00]]>\n"), Edit(place._replace(file="other.yaml"), "")))
    fields = dict.fromkeys(NAMES, "]]>\x07\x1b\r\n%&<\"'")
    awkward = Diagnostic("NS104", place, fields, (Note(place, "\x07<]]>"),), fix=fix)
    diagnostics = [d for report in reports for d in report.diagnostics]
    return [*diagnostics, awkward], [*(path.name for path in REALISTIC), NASTY]


def refusals(diagnostics: Sequence[Diagnostic], files: Sequence[str]) -> list[str]:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    document = json.loads(json.dumps(sarif_document(diagnostics, files)))
    return [f"{error.json_path}: {error.message}" for error in Draft4Validator(schema).iter_errors(document)]


def test_sarif_is_valid(found: tuple[list[Diagnostic], list[str]]) -> None:
    assert len(found[0]) > 100
    assert len({diagnostic.code for diagnostic in found[0]}) > 40
    assert refusals(*found) == []
    assert refusals([], []) == []


def test_sarif_carries_every_fix(found: tuple[list[Diagnostic], list[str]]) -> None:
    (run,) = json.loads(json.dumps(sarif_document(*found)))["runs"]
    fixes = [fix for result in run["results"] for fix in result.get("fixes", ())]
    assert len(fixes) == sum(diagnostic.fix is not None for diagnostic in found[0]) > 40
    assert all(change["replacements"] for fix in fixes for change in fix["artifactChanges"])


def test_sarif_knows_every_code() -> None:
    assert refusals([Diagnostic(code, Span.of_file("a.yaml"), _filled(code)) for code in codes()], ["a.yaml"]) == []


def _filled(code: str) -> dict[str, object]:
    """Fields that fill every template of the code."""
    import string

    from netspec.diagnostics.catalogue import lookup

    templates = (lookup(code).message, lookup(code).help)
    texts = [t for several in templates for t in ((several,) if isinstance(several, str) else several)]
    return {name: 7 for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}


def test_junit_is_valid(found: tuple[list[Diagnostic], list[str]]) -> None:
    schema = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
    for diagnostics, files in (found, ([], []), ([], ["clean.yaml"])):
        text = render_junit(diagnostics, files)
        assert list(schema.iter_errors(ElementTree.fromstring(text))) == []


def test_every_finding_is_one_line_of_workflow_commands(found: tuple[list[Diagnostic], list[str]]) -> None:
    lines = render_github(found[0]).split("\n")
    assert len(lines) == len(found[0]) + 1
    for line, diagnostic in zip(lines, found[0], strict=False):
        command, _, text = line[2:].partition("::")
        assert command.startswith({"error": "error ", "warning": "warning ", "info": "notice "}[diagnostic.severity])
        assert f"title={diagnostic.code} " in command
        assert text.isprintable()
