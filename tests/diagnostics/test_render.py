"""How diagnostics look, to the letter."""

from __future__ import annotations

import io
import json

import pytest

from netspec.diagnostics import Diagnostic, Edit, Fix, Note, Span
from netspec.diagnostics.render import LINE_LIMIT, count_line, json_document, render_concise, render_text, use_color

LENET = "\n" * 10 + "  - tanh\n  - avg_pool: 2\n  - tanh\n  - conv: {filters: 120, kernel: 5}\n"
KERNEL = Diagnostic(
    "NS201",
    Span("specs/lenet5.yaml", 14, 34, 14, 35),
    {"kernel": 5, "input": "4x4", "layer": "conv3", "same": "4x4", "largest": 4, "result": "1x1"},
    notes=(Note(Span("specs/lenet5.yaml", 12, 5, 12, 13), "'avg_pool2' makes 4x4x16 here"),),
    formula="⌊(4 + 2·0 − 5)/1⌋ + 1 = 0",
)


def mistake(span: Span, *notes: Note, help: str | None = None) -> Diagnostic:
    return Diagnostic("NS200", span, {"message": "it does not fit"}, notes, help=help)


def shown(diagnostic: Diagnostic, text: str, color: bool = False) -> list[str]:
    return render_text([diagnostic], {"f.yaml": text}, color).splitlines()


def test_the_example_of_the_manual() -> None:
    assert render_text([KERNEL], {"specs/lenet5.yaml": LENET}) == (
        "specs/lenet5.yaml:14:34: error[NS201] kernel 5 does not fit the 4x4 input of 'conv3'\n"
        "   |\n"
        "12 |   - avg_pool: 2\n"
        "   |     -------- 'avg_pool2' makes 4x4x16 here\n"
        "14 |   - conv: {filters: 120, kernel: 5}\n"
        "   |                                  ^\n"
        "   = ⌊(4 + 2·0 − 5)/1⌋ + 1 = 0\n"
        "   help: padding: same keeps 4x4; kernel: 4 gives 1x1\n"
    )


def test_a_note_below_the_mistake_and_one_on_its_line() -> None:
    below = Note(Span("f.yaml", 3, 1, 3, 2), "and here")
    beside = Note(Span("f.yaml", 1, 1, 1, 2), "from this")
    assert shown(mistake(Span("f.yaml", 1, 4, 1, 6), below, beside), "a: bb\nx: 1\nc: d\n") == [
        "f.yaml:1:4: error[NS200] it does not fit",
        "  |",
        "1 | a: bb",
        "  |    ^^",
        "  | - from this",
        "3 | c: d",
        "  | - and here",
    ]


def test_a_note_in_another_file_and_one_whose_file_is_not_at_hand() -> None:
    diagnostic = mistake(
        Span("f.yaml", 1, 1, 1, 2),
        Note(Span("blocks.yaml", 2, 3, 2, 5), "defined here"),
        Note(Span("gone.yaml", 7, 1, 7, 2), "used here"),
        help="do this",
    )
    assert render_text([diagnostic], {"f.yaml": "a: 1", "blocks.yaml": "x:\n  bb: 1"}) == (
        "f.yaml:1:1: error[NS200] it does not fit\n"
        "  |\n"
        "1 | a: 1\n"
        "  | ^\n"
        "  ::: blocks.yaml\n"
        "2 |   bb: 1\n"
        "  |   -- defined here\n"
        "  note: gone.yaml:7:1: used here\n"
        "  help: do this\n"
    )


def test_without_source_only_the_words_are_left() -> None:
    diagnostic = mistake(Span("f.yaml", 1, 1, 1, 1), help="do this")
    assert render_text([diagnostic], {}) == "f.yaml:1:1: error[NS200] it does not fit\n  help: do this\n"
    assert render_text([diagnostic], {"f.yaml": ""}).splitlines()[1:4] == ["  |", "1 |", "  | ^"]


def test_a_line_beyond_the_end_of_the_text_is_not_shown() -> None:
    assert shown(mistake(Span("f.yaml", 9, 1, 9, 2)), "a: 1\n") == ["f.yaml:9:1: error[NS200] it does not fit"]


def test_an_empty_span_gets_one_caret() -> None:
    assert shown(mistake(Span("f.yaml", 1, 3, 1, 3)), "a:\n")[2:] == ["1 | a:", "  |   ^"]


def test_wide_characters_take_two_cells_and_combining_marks_none() -> None:
    assert shown(mistake(Span("f.yaml", 1, 5, 1, 7)), "日本: 結果\n")[2:] == ["1 | 日本: 結果", "  |       ^^^^"]
    text = "e\u0301: x"  # an e and a combining acute
    assert shown(mistake(Span("f.yaml", 1, 5, 1, 6)), text)[2:] == [f"1 | {text}", "  |    ^"]


def test_tabs_are_four_blanks() -> None:
    assert shown(mistake(Span("f.yaml", 1, 4, 1, 5)), "a:\tb")[2:] == ["1 | a:    b", "  |       ^"]
    assert shown(mistake(Span("f.yaml", 1, 3, 1, 4)), "a:\tb")[2:] == ["1 | a:    b", "  |   ^^^^"]


def test_control_characters_are_written_out() -> None:
    text = "n: \x1b[31mred\u202e\xa0x"
    lines = shown(mistake(Span("f.yaml", 1, 4, 1, 5)), text)
    assert lines[2:] == ["1 | n: \\x1b[31mred\\u202e\\xa0x", "  |    ^^^^"]


def test_control_characters_are_escaped_everywhere_else_too() -> None:
    evil = "a\x1b[2J\nb"
    diagnostic = Diagnostic(
        "NS200",
        Span(evil, 1, 1, 1, 2),
        {"message": evil},
        (Note(Span(evil, 1, 1, 1, 2), evil), Note(Span("gone", 1, 1, 1, 1), evil)),
        formula=evil,
        help=evil,
    )
    for output in (render_text([diagnostic], {evil: "x"}), render_concise([diagnostic])):
        assert "\x1b" not in output
        assert "a\\x1b[2J\\nb" in output
        assert not any(line.startswith("b") for line in output.splitlines())


def test_a_long_line_is_shown_around_the_mark() -> None:
    text = "x" * 500 + "HERE" + "y" * 500
    lines = shown(mistake(Span("f.yaml", 1, 501, 1, 505)), text)
    assert lines[2] == "1 | …" + "x" * 40 + "HERE" + "y" * 76 + "…"
    assert lines[3] == "  | " + " " * 41 + "^^^^"
    assert len(lines[2]) == LINE_LIMIT + len("1 | ……")


def test_a_long_line_at_its_head_and_at_its_end() -> None:
    text = "ab" + "y" * 500
    assert shown(mistake(Span("f.yaml", 1, 1, 1, 3)), text)[2:] == ["1 | ab" + "y" * 118 + "…", "  | ^^"]
    text = "x" * 500 + "cd"
    assert shown(mistake(Span("f.yaml", 1, 501, 1, 503)), text)[2:] == [
        "1 | …" + "x" * 118 + "cd",
        "  | " + " " * 119 + "^^",
    ]


def test_a_mark_longer_than_the_window_ends_with_it() -> None:
    lines = shown(mistake(Span("f.yaml", 1, 1, 1, 1000)), "x" * 2000)
    assert lines[3] == "  | " + "^" * LINE_LIMIT


def test_a_span_over_several_lines_marks_the_first_and_the_last() -> None:
    assert shown(mistake(Span("f.yaml", 1, 4, 4, 5)), "a: [1,\n  2,\n  3,\n  44]\nb: 1\n")[1:] == [
        "  |",
        "1 | a: [1,",
        "  |    ^^^",
        "4 |   44]",
        "  |   ^^",
    ]


def test_a_span_that_ends_on_blank_lines_ends_before_them() -> None:
    assert shown(mistake(Span("f.yaml", 1, 4, 4, 1)), "a: x\n\n  \nb: 1\n")[1:] == ["  |", "1 | a: x", "  |    ^"]
    assert shown(mistake(Span("f.yaml", 1, 4, 99, 1)), "a: x\n")[1:] == ["  |", "1 | a: x", "  |    ^"]


def test_line_numbers_are_aligned() -> None:
    lines = shown(mistake(Span("f.yaml", 100, 1, 100, 2), Note(Span("f.yaml", 9, 1, 9, 2), "here")), "a\n" * 100)
    assert lines[1:] == ["    |", "  9 | a", "    | - here", "100 | a", "    | ^"]


def test_windows_line_ends_are_not_shown_and_only_true_line_ends_count() -> None:
    assert shown(mistake(Span("f.yaml", 2, 1, 2, 2)), "a\u2028\r\nb\r\n")[2:] == ["2 | b", "  | ^"]


def test_color_changes_nothing_but_the_color() -> None:
    colored = render_text([KERNEL], {"specs/lenet5.yaml": LENET}, color=True)
    assert "\x1b[1;31merror[NS201]\x1b[0m" in colored
    assert "\x1b[1;34m-------- 'avg_pool2' makes 4x4x16 here\x1b[0m" in colored
    plain = colored
    for code in ("\x1b[1;31m", "\x1b[1m", "\x1b[34m", "\x1b[1;34m", "\x1b[36m", "\x1b[32m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render_text([KERNEL], {"specs/lenet5.yaml": LENET})


def test_two_diagnostics_are_separated_by_an_empty_line() -> None:
    one = mistake(Span("f.yaml", 1, 1, 1, 2))
    assert render_text([one, one], {"f.yaml": "a"}).count("\n\n") == 1
    assert render_text([], {}) == ""


def test_concise_is_one_line_each() -> None:
    warning = Diagnostic("NS302", Span("f.yaml", 3, 5, 3, 9), {"first": "relu", "second": "relu2"})
    assert render_concise([KERNEL, warning]) == (
        "specs/lenet5.yaml:14:34: error[NS201] kernel 5 does not fit the 4x4 input of 'conv3'\n"
        "f.yaml:3:5: warning[NS302] activation 'relu2' directly follows activation 'relu'\n"
    )


def test_count_line() -> None:
    span = Span.of_file("f.yaml")
    warning = Diagnostic("NS302", span, {"first": "a", "second": "b"})
    info = Diagnostic("NS302", span, {"first": "a", "second": "b"}, severity_override="info")
    assert count_line([]) == "no findings"
    assert count_line([KERNEL, KERNEL, warning]) == "2 errors, 1 warning"
    assert count_line([info, info]) == "2 infos"


def test_json_document() -> None:
    span = Span("f.yaml", 1, 2, 3, 4)
    fix = Fix("Put it in quotes", (Edit(span, '"x"'),), safe=False)
    diagnostic = Diagnostic("NS200", span, {"message": "no"}, (Note(span, "see"),), "1 + 1", "do this", "info", fix)
    place = {"file": "f.yaml", "line": 1, "column": 2, "end_line": 3, "end_column": 4}
    document = json_document([diagnostic], ["f.yaml", "g.yaml"])
    assert json.loads(json.dumps(document)) == {
        "version": 1,
        "files": ["f.yaml", "g.yaml"],
        "diagnostics": [
            {
                "code": "NS200",
                "severity": "info",
                "message": "no",
                **place,
                "formula": "1 + 1",
                "help": "do this",
                "notes": [{"text": "see", **place}],
                "fix": {"title": "Put it in quotes", "safe": False, "edits": [{**place, "replacement": '"x"'}]},
            }
        ],
    }
    assert json_document([mistake(span)], [])["diagnostics"] == [
        {
            "code": "NS200",
            "severity": "error",
            "message": "it does not fit",
            **place,
            "formula": None,
            "help": None,
            "notes": [],
            "fix": None,
        }
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_use_color(terminal: bool, environment: dict[str, str], expected: bool) -> None:
    assert use_color(Terminal() if terminal else io.StringIO(), environment) is expected
