"""The catalogue: every code has wording that its fields fill."""

from __future__ import annotations

import string
import subprocess
import sys

import pytest

from netspec.diagnostics import Diagnostic, Span, catalogue
from netspec.diagnostics.catalogue import Entry, Templates, codes, fill, lookup, register

HERE = Span("f.yaml", 1, 1, 1, 2)
WARNINGS = (
    {"NS117", "NS128", "NS129", "NS239", "NS241", "NS240", "NS243", "NS316", "NS528", "NS529", "NS928", "NS975"}
    | {*(f"NS30{n}" for n in range(1, 8))}
    | {
        *(f"NS40{n}" for n in range(1, 5)),
        *(f"NS51{n}" for n in range(3, 10)),
        *("NS962", "NS964"),
    }
)
INFOS = {"NS308", "NS309", *(f"NS31{n}" for n in range(6)), "NS405", "NS406", *(f"NS60{n}" for n in range(1, 5))}


def alternatives(templates: Templates) -> tuple[str, ...]:
    return (templates,) if isinstance(templates, str) else templates


def field_names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_codes_have_the_form_of_their_family() -> None:
    own = [code for code in codes() if code.startswith("NS")]
    assert own == sorted(own)
    assert all(len(code) == 5 and code[2:].isdecimal() for code in own)
    assert {code[2] for code in own} == {"0", "1", "2", "3", "4", "5", "6", "8", "9"}


@pytest.mark.parametrize("code", codes())
def test_every_template_fills_and_is_well_formed(code: str) -> None:
    entry = lookup(code)
    assert entry.severity == ("warning" if code in WARNINGS else "info" if code in INFOS else "error")
    assert entry.title
    assert not entry.title.endswith(".")
    for template in (*alternatives(entry.message), *alternatives(entry.help)):
        fields = dict.fromkeys(field_names(template), 7)
        filled = fill(template, fields)
        assert filled
        assert "{" not in filled.replace("{...}", "")
        assert not filled.endswith(".")
        assert filled.isprintable()


@pytest.mark.parametrize("code", codes())
def test_an_earlier_alternative_never_hides_a_later_one(code: str) -> None:
    for templates in (lookup(code).message, lookup(code).help):
        seen: list[set[str]] = []
        for template in alternatives(templates):
            names = field_names(template)
            assert not any(earlier <= names for earlier in seen), template
            seen.append(names)


def test_the_first_template_whose_fields_are_given_is_used() -> None:
    templates = ("did you mean '{suggestion}'?", "known here: {known}")
    assert fill(templates, {"suggestion": "conv", "known": ["a"]}) == "did you mean 'conv'?"
    assert fill(templates, {"suggestion": None, "known": ["a", "b"]}) == "known here: a, b"
    assert fill(templates, {}) is None
    assert fill((), {"a": 1}) is None


def test_what_a_person_wrote_is_no_template() -> None:
    assert fill("key '{key}'", {"key": "{other}{0}"}) == "key '{other}{0}'"


def test_a_diagnostic_reads_the_catalogue() -> None:
    diagnostic = Diagnostic("NS104", HERE, {"name": "Conv2D", "suggestion": "conv"})
    assert diagnostic.severity == "error"
    assert diagnostic.message == "there is no op or block 'Conv2D'"
    assert diagnostic.help_text == "did you mean 'conv'?"


def test_help_and_severity_of_a_diagnostic_win() -> None:
    diagnostic = Diagnostic("NS104", HERE, {"name": "x", "suggestion": "y"}, help="other", severity_override="info")
    assert diagnostic.help_text == "other"
    assert diagnostic.severity == "info"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(KeyError, match="NS104"):
        _ = Diagnostic("NS104", HERE, {"nome": "x"}).message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"choices": ["valid", "same"]}, "'x' must be one of valid, same, but is 7"),
        ({"minimum": 1, "maximum": 3}, "'x' must lie between 1 and 3, but is 7"),
        ({"minimum": 1}, "'x' must be at least 1, but is 7"),
        ({"maximum": 3}, "'x' must be at most 3, but is 7"),
        ({"above": 0, "below": 1}, "'x' must be greater than 0 and less than 1, but is 7"),
        ({"above": 0}, "'x' must be greater than 0, but is 7"),
        ({"below": 1}, "'x' must be less than 1, but is 7"),
    ],
)
def test_ranges(fields: dict[str, object], message: str) -> None:
    assert Diagnostic("NS109", HERE, {"what": "x", "found": 7, **fields}).message == message


@pytest.fixture
def restored_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it: other tests of the process look at all codes."""
    monkeypatch.setattr(catalogue, "_ENTRIES", dict(catalogue._ENTRIES))


@pytest.mark.usefixtures("restored_catalogue")
def test_plug_ins_register_codes_of_their_own() -> None:
    entry = Entry("warning", "odd width", "width {width} is odd")
    register("ACME001", entry)
    register("ACME001", entry)  # the same again, as when a module is loaded twice
    assert Diagnostic("ACME001", HERE, {"width": 3}).message == "width 3 is odd"
    with pytest.raises(ValueError, match="already used"):
        register("ACME001", entry._replace(title="other"))
    with pytest.raises(ValueError, match="own range"):
        register("NS299", entry)
    with pytest.raises(KeyError):
        lookup("ACME002")


def test_the_wording_is_loaded_only_when_it_is_needed() -> None:
    program = "import sys, netspec.diagnostics; print(*(name for name in sys.modules if name.startswith('netspec')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "netspec.diagnostics.model" in loaded
    assert not {"netspec.diagnostics.catalogue", "netspec.diagnostics.render"} & set(loaded)
