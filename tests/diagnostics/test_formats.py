"""SARIF, GitHub's workflow commands and JUnit XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from netspec.diagnostics import Diagnostic, Edit, Fix, Note, Span
from netspec.diagnostics.github import render_github
from netspec.diagnostics.junit import render_junit
from netspec.diagnostics.sarif import sarif_document, uri

PLACE = Span("a b,c.yaml", 2, 3, 2, 6)
FIX = Fix("Write 'conv'", (Edit(PLACE, "conv"),))
ERROR = Diagnostic(
    "NS104", PLACE, {"name": "<&\x1b%", "suggestion": "conv"}, (Note(Span("b.yaml", 1, 1, 1, 2), "here"),), fix=FIX
)
INFO = Diagnostic("NS302", Span("b.yaml", 1, 1, 3, 2), {"first": "a", "second": "b"}, severity_override="info")


def test_sarif_has_the_form_of_version_2_1_0() -> None:
    document = json.loads(json.dumps(sarif_document([ERROR, INFO], ["a b,c.yaml", "b.yaml"])))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "netspec"
    assert [rule["id"] for rule in driver["rules"]] == ["NS104", "NS302"]
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == ["error", "warning"]
    error, info = run["results"]
    assert (error["ruleId"], error["ruleIndex"], error["level"], info["level"]) == ("NS104", 0, "error", "note")
    location = error["locations"][0]["physicalLocation"]
    region = {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 6}
    assert location == {"artifactLocation": {"uri": "a%20b%2Cc.yaml"}, "region": region}
    assert error["relatedLocations"][0]["message"] == {"text": "here"}
    (fix,) = error["fixes"]
    assert fix["description"] == {"text": "Write 'conv'"}
    (change,) = fix["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "conv"}}]
    assert "fixes" not in info


def test_sarif_of_nothing() -> None:
    document = json.loads(json.dumps(sarif_document([], [])))
    assert document["runs"][0]["results"] == []


def test_paths_as_references() -> None:
    assert uri("/tmp/ä.yaml") == "file:///tmp/%C3%A4.yaml"
    assert uri("specs/a.yaml") == "specs/a.yaml"


def test_workflow_commands_are_escaped() -> None:
    error, info = render_github([ERROR, INFO]).splitlines()
    assert error == (
        "::error file=a b%2Cc.yaml,line=2,endLine=2,col=3,endColumn=6,title=NS104 unknown op or block::"
        r"there is no op or block '<&\x1b%25'%0Adid you mean 'conv'?"
    )
    assert info.startswith("::notice file=b.yaml,line=1,endLine=3,title=NS302 ")


def test_junit_counts_errors_and_warnings_as_failures() -> None:
    root = ElementTree.fromstring(render_junit([ERROR, INFO], ["a b,c.yaml", "b.yaml", "clean.yaml"]))
    assert root.attrib == {"name": "netspec lint", "tests": "3", "failures": "1", "errors": "0"}
    failing, informed, clean = root
    failure = failing.find("testcase/failure")
    assert failure is not None
    assert failure.attrib == {"message": r"there is no op or block '<&\x1b%'", "type": "error"}
    assert failure.text == "a b,c.yaml:2:3: error[NS104] " + failure.attrib["message"] + "\ndid you mean 'conv'?"
    assert "info[NS302]" in (informed.findtext("system-out") or "")
    assert [case.attrib["name"] for case in clean] == ["lint"]


def test_junit_of_nothing() -> None:
    assert ElementTree.fromstring(render_junit([], [])).attrib["tests"] == "0"
