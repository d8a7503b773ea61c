"""Diagnostics as a person reads them, and as a program does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TextIO

from netspec.diagnostics.model import Diagnostic, Edit, Note, Span
from netspec.diagnostics.severity import Severity
from netspec.diagnostics.text import cells, escape, shown, split_lines

FORMAT_VERSION = 1
LINE_LIMIT = 120
"""Characters of a source line that are shown; of a longer one, a window around the mark."""

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

_STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "info": "\x1b[1;36m",
    "place": "\x1b[1m",
    "gutter": "\x1b[34m",
    "note": "\x1b[1;34m",
    "formula": "\x1b[36m",
    "help": "\x1b[32m",
}
_RESET = "\x1b[0m"

Paint = Callable[[str, str], str]
"""Style and text to the text in that style."""


class _Mark(NamedTuple):
    """A line of signs below one source line. Columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_column: int
    sign: str
    label: str
    style: str


def use_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether output to ``stream`` is coloured: on a terminal, unless NO_COLOR; FORCE_COLOR colours a pipe too."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def render_text(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], color: bool = False) -> str:
    """Every diagnostic with its source lines, an empty line between two.

    ``sources`` maps the file name of a span to the text of that file; what has no text is shown without lines.
    """
    paint = _paint_ansi if color else _paint_nothing
    lines: dict[str, list[str]] = {}
    blocks = []
    for diagnostic in diagnostics:
        for span in (diagnostic.span, *(note.span for note in diagnostic.notes)):
            if span.file in sources and span.file not in lines:
                lines[span.file] = split_lines(sources[span.file])
        blocks.append("\n".join(_block(diagnostic, lines, paint)) + "\n")
    return "\n".join(blocks)


def render_concise(diagnostics: Iterable[Diagnostic]) -> str:
    """One line each: place, severity, code, message."""
    return "".join(_headline(diagnostic, _paint_nothing) + "\n" for diagnostic in diagnostics)


def count_line(diagnostics: Iterable[Diagnostic]) -> str:
    """How many of each severity, such as ``2 errors, 1 warning``; ``no findings`` when there are none."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    parts = []
    for severity in _SEVERITIES:
        count = severities.count(severity)
        if count:
            parts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(parts) or "no findings"


def json_document(diagnostics: Iterable[Diagnostic], files: Sequence[str]) -> dict[str, object]:
    """The document that ``--format json`` prints: plain data, ready for ``json.dumps``. ``files`` are those checked."""
    return {
        "version": FORMAT_VERSION,
        "diagnostics": [_json_diagnostic(diagnostic) for diagnostic in diagnostics],
        "files": list(files),
    }


def _json_diagnostic(diagnostic: Diagnostic) -> dict[str, object]:
    fix = diagnostic.fix
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **diagnostic.span._asdict(),
        "formula": diagnostic.formula,
        "help": diagnostic.help_text,
        "notes": [{"text": note.text, **note.span._asdict()} for note in diagnostic.notes],
        "fix": fix and {"title": fix.title, "safe": fix.safe, "edits": [_json_edit(edit) for edit in fix.edits]},
    }


def _json_edit(edit: Edit) -> dict[str, object]:
    return {**edit.span._asdict(), "replacement": edit.replacement}


def _paint_nothing(style: str, text: str) -> str:
    return text


def _paint_ansi(style: str, text: str) -> str:
    return f"{_STYLES[style]}{text}{_RESET}"


def _place(span: Span) -> str:
    return f"{escape(span.file)}:{span.line}:{span.column}"


def _headline(diagnostic: Diagnostic, paint: Paint) -> str:
    severity = diagnostic.severity
    label = paint(severity, f"{severity}[{diagnostic.code}]")
    return f"{paint('place', _place(diagnostic.span) + ':')} {label} {escape(diagnostic.message)}"


def _block(diagnostic: Diagnostic, lines: Mapping[str, list[str]], paint: Paint) -> list[str]:
    """The lines of one diagnostic: headline, source lines with their marks, formula, help."""
    marks, unshown = _marks(diagnostic, lines)
    last_lines = [mark.line for file_marks in marks.values() for mark in file_marks]
    width = len(str(max(last_lines, default=1)))
    margin = " " * width
    rows = [_headline(diagnostic, paint)]
    for file, file_marks in marks.items():
        if file == diagnostic.span.file:
            rows.append(paint("gutter", f"{margin} |"))
        else:
            rows.append(f"{margin} {paint('gutter', ':::')} {escape(file)}")
        rows += _snippet(lines[file], file_marks, width, paint)
    rows += [f"{margin} {paint('note', 'note:')} {_place(note.span)}: {escape(note.text)}" for note in unshown]
    if diagnostic.formula:
        rows.append(f"{margin} {paint('formula', '= ' + escape(diagnostic.formula))}")
    help_text = diagnostic.help_text
    if help_text:
        rows.append(f"{margin} {paint('help', 'help:')} {escape(help_text)}")
    return rows


def _marks(diagnostic: Diagnostic, lines: Mapping[str, list[str]]) -> tuple[dict[str, list[_Mark]], list[Note]]:
    """The marks of each file, that of the mistake first, and the notes whose source line is not at hand."""
    marks: dict[str, list[_Mark]] = {}
    unshown = []
    for span, sign, label, style in (
        (diagnostic.span, "^", "", diagnostic.severity),
        *((note.span, "-", note.text, "note") for note in diagnostic.notes),
    ):
        if span.line <= len(lines.get(span.file, ())):
            marks.setdefault(span.file, []).extend(_span_marks(span, lines[span.file], sign, label, style))
        elif label:
            unshown.append(Note(span, label))
    return marks, unshown


def _span_marks(span: Span, lines: list[str], sign: str, label: str, style: str) -> list[_Mark]:
    """One mark, or for a span over several lines one below its first and one below its last line."""
    end_line, end_column = min(span.end_line, len(lines)), span.end_column
    while end_line > span.line and not lines[end_line - 1][: end_column - 1].strip():
        end_line -= 1  # nothing but blanks on it: the span ends with the line before
        end_column = len(lines[end_line - 1]) + 1
    if end_line == span.line:
        return [_Mark(span.line, span.column, end_column, sign, label, style)]
    last = lines[end_line - 1]
    indent = len(last) - len(last.lstrip())
    return [
        _Mark(span.line, span.column, len(lines[span.line - 1]) + 1, sign, "", style),
        _Mark(end_line, indent + 1, end_column, sign, label, style),
    ]


def _snippet(lines: list[str], marks: list[_Mark], width: int, paint: Paint) -> list[str]:
    """The marked lines in the order of the file, each followed by its marks, that of the mistake first."""
    rows = []
    for number in sorted({mark.line for mark in marks}):
        here = [mark for mark in marks if mark.line == number]
        line = lines[number - 1]
        start, end = _window(line, here[0].column - 1)
        head, tail = "…" if start else "", "…" if end < len(line) else ""
        text = f"{head}{shown(line[start:end])}{tail}".rstrip()
        rows.append(f"{paint('gutter', f'{number:>{width}} |')} {text}".rstrip())
        for mark in here:
            first, last = (min(max(column - 1, start), end) for column in (mark.column, mark.end_column))
            blanks = " " * (len(head) + cells(shown(line[start:first])))
            signs = mark.sign * max(1, cells(shown(line[first:last])))
            label = f" {escape(mark.label)}" if mark.label else ""
            rows.append(f"{' ' * width} {paint('gutter', '|')} {blanks}{paint(mark.style, signs + label)}")
    return rows


def _window(line: str, focus: int) -> tuple[int, int]:
    """First character and end of the part of a line that is shown, so that ``focus`` lies in it."""
    start = max(0, min(focus - LINE_LIMIT // 3, len(line) - LINE_LIMIT)) if len(line) > LINE_LIMIT else 0
    return start, min(len(line), start + LINE_LIMIT)
