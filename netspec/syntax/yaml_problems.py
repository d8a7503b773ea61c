"""The parser's complaints in words for people. Imported only when a text is not YAML."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from netspec.diagnostics import Diagnostic, Note
from netspec.syntax.source import Positions


class _Wording(NamedTuple):
    """What to say when the parser's words contain one of ``signs``; ``{found}`` is what stands at the place.

    ``at_opening`` points at where the construct begins instead; ``note`` says what that place is otherwise.
    """

    signs: tuple[str, ...]
    problem: str
    help: str
    at_opening: bool = False
    note: str | None = None


# The words of both parsers of PyYAML, the one on libyaml and the one in Python. The first that is found counts.
_WORDINGS = (
    _Wording(
        ("mapping values are not allowed",),
        "this ':' stands where no key can end",
        "write one 'key: value' per line, in the column of the keys around it; put a text that holds ': ' in quotes",
    ),
    _Wording(
        ("cannot start any token",),
        "{found} cannot begin a value",
        "put the text in quotes",
    ),
    _Wording(
        ("could not find expected ':'",),
        "this line is neither 'key: value' nor a list item",
        "is a ':' missing after the key, or a '- ' before the item?",
        at_opening=True,
    ),
    _Wording(
        ("expected ',' or '}'",),
        "',' or '}' is wanted here, not {found}",
        "is a comma missing, or the closing '}'?",
        note="the '{' is here",
    ),
    _Wording(
        ("expected ',' or ']'",),
        "',' or ']' is wanted here, not {found}",
        "is a comma missing, or the closing ']'?",
        note="the '[' is here",
    ),
    _Wording(
        ("unexpected end of stream",),
        "the quote that opens here is never closed",
        "close it; inside single quotes '' is a quote, inside double quotes \\\" is one",
        at_opening=True,
    ),
    _Wording(
        ("unexpected document separator", "unexpected document indicator"),
        "the quote that opens here is not closed before the document ends",
        "close it before the line '---' or '...'",
        at_opening=True,
    ),
    _Wording(
        ("escape character", "escape sequence", "hexdecimal number", "hexadecimal number", "Unicode character escape"),
        "this is no escape of double quotes",
        "write \\\\ for a backslash, or use single quotes, in which nothing is escaped",
    ),
    _Wording(
        ("sequence entries are not allowed",),
        "a list item cannot begin here",
        "begin it on a line of its own: '- '",
    ),
    _Wording(
        ("alphabetic or numeric character",),
        "'*' begins an alias and '&' an anchor, but no name follows",
        "put the text in quotes",
        at_opening=True,
    ),
    _Wording(
        ("comment or a line break", "comment or line break", "chomping or indentation indicators"),
        "behind '|' or '>' the text begins on the next line",
        "put the text on the next line, indented, or in quotes",
    ),
    _Wording(
        ("<document start>", "expected '<document start>'"),
        "{found} stands behind the end of the spec",
        "a spec is one mapping, and its keys begin in the first column",
    ),
    _Wording(
        ("node content",),
        "a value is wanted here, not {found}",
        "write the value, or put it in quotes if it is text",
    ),
    _Wording(
        ("scanning a tag", "parsing a tag"),
        "'!' begins a tag, but this is none",
        "a spec needs no tags; put the text in quotes",
        at_opening=True,
    ),
    _Wording(
        ("YAML document", "version number", "%YAML", "directive"),
        "this directive is not understood",
        "a spec needs no line that begins with '%'",
    ),
)


_BRACKETS = re.compile(r"""[][{}]|"(?:[^"\\]|\\.)*"|(?<!\w)'[^']*'|(?<=\s)#.*""")
"""Brackets, and the quotes and comments in which they are none."""


_EXPRESSION = re.compile(r"\$[^][{},\s][^][{},]*\Z|\$\Z")
"""An expression without quotes that ends where the parser stumbles."""


def explain(error: Exception, positions: Positions, reached: int) -> Diagnostic:
    """The diagnostic for what a PyYAML parser raised; ``reached`` is how far the text had been read."""
    problem_mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = _visible(positions.text, problem_mark.index if problem_mark else getattr(error, "position", reached))
    tab = _tab(positions, place)
    if tab is not None:
        return Diagnostic("NS005", positions.span(tab, tab + 1), {})
    if not isinstance(error, yaml.MarkedYAMLError):
        problem = "this character or escape is not allowed"
        return Diagnostic("NS001", positions.span(place, place + 1), {"problem": problem})
    if "tag handle" in (error.problem or ""):
        end = place
        while end < len(positions.text) and not positions.text[end].isspace():
            end += 1
        return Diagnostic("NS003", positions.span(place, end), {"tag": positions.text[place:end]})
    return _reworded(error, positions, place)


def _reworded(error: yaml.MarkedYAMLError, positions: Positions, place: int) -> Diagnostic:
    words = f"{error.context} {error.problem}"
    expression = _EXPRESSION.search(positions.text, positions.line_start(place), place)
    if expression and positions.text.startswith(("[", "{"), place):
        return _without_quotes(positions, expression.start(), place)
    opening = _visible(positions.text, error.context_mark.index) if error.context_mark else place
    if "while parsing a block" in words:
        return _misplaced(positions, place, opening, is_list="collection" in words)
    for wording in _WORDINGS:
        if not any(sign in words for sign in wording.signs):
            continue
        at = opening if wording.at_opening else place
        if wording.note and opening < positions.line_start(place) and not _closed(positions.text, opening):
            return _never_closed(positions, opening, place)
        if "escape" in wording.problem:
            at = max(at - 10, positions.text.rfind("\\", 0, at + 1))  # the parsers point at different letters of it
        notes: tuple[Note, ...] = ()
        if wording.note and opening != at:
            notes = (Note(positions.span(opening, opening + 1), wording.note),)
        problem = wording.problem.replace("{found}", _found(positions.text, place))
        return Diagnostic(
            "NS001", positions.span(at, _end(positions.text, at)), {"problem": problem}, notes, help=wording.help
        )
    return Diagnostic(
        "NS001", positions.span(place, _end(positions.text, place)), {"problem": error.problem or "unreadable"}
    )


def _without_quotes(positions: Positions, begin: int, place: int) -> Diagnostic:
    """An expression that holds a bracket: within others YAML takes that for the beginning of a list or a mapping."""
    expression = positions.text[begin : _expression_end(positions.text, begin)]
    quoted = f'"{expression}"' if '"' not in expression else f"'{expression}'"
    problem = f"'{positions.text[place]}' begins a list or a mapping here, since the expression is not in quotes"
    span = positions.span(place, place + 1)
    return Diagnostic("NS001", span, {"problem": problem}, help=f"put the whole expression in quotes: {quoted}")


def _expression_end(text: str, begin: int) -> int:
    """Behind the last bracket that an expression opens, or where its line or the collection around it ends."""
    depth = 0
    for place in range(begin, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth < 0 or text[place] in "\r\n" or (depth == 0 and text[place] in ", "):
            return place
    return len(text)


def _closed(text: str, opening: int) -> bool:
    """Whether a bracket has its counterpart anywhere behind it; those in quotes and comments do not count."""
    depth = 0
    for token in _BRACKETS.finditer(text, opening):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return True
    return False


def _never_closed(positions: Positions, opening: int, place: int) -> Diagnostic:
    bracket = positions.text[opening]
    closing = "}" if bracket == "{" else "]"
    notes = (Note(positions.span(place, _end(positions.text, place)), "all up to here was read as part of it"),)
    fields = {"problem": f"the '{bracket}' that opens here is never closed"}
    help_text = f"write the closing '{closing}'"
    return Diagnostic("NS001", positions.span(opening, opening + 1), fields, notes, help=help_text)


def _misplaced(positions: Positions, place: int, opening: int, is_list: bool) -> Diagnostic:
    """What stands where only the next key of a mapping, or the next item of a list, may."""
    line_start = positions.line_start(place)
    found = _found(positions.text, place)
    notes: tuple[Note, ...] = ()
    if positions.text[line_start:place].strip():
        problem = f"{found} stands behind the end of a value"
        help_text = "is a quote or a bracket closed too early? A text that holds either is put in quotes as a whole"
    elif place - line_start != opening - positions.line_start(opening):
        problem = "this line is indented like none of the lines that it could belong to"
        help_text = (
            "keys of one mapping begin in one column, and so do items of one list; what belongs to them is deeper"
        )
    else:
        what, wanted = ("list", "an item ('- ')") if is_list else ("mapping", "a key")
        problem = f"{found} stands where {wanted} of the {what} is wanted"
        notes = (Note(positions.span(opening, opening + 1), f"the {what} begins here"),)
        help_text = "a value is a list or a mapping, not both: indent what belongs to the line above it"
    return Diagnostic(
        "NS001", positions.span(place, _end(positions.text, place)), {"problem": problem}, notes, help=help_text
    )


def _visible(text: str, place: int) -> int:
    """The place, or the end of the last text where only blanks follow it."""
    return min(place, len(text.rstrip())) if not text[place:].strip() else place


def _end(text: str, place: int) -> int:
    return place + 1 if place < len(text) and text[place] not in "\r\n" else place


def _found(text: str, place: int) -> str:
    if not text[place:].strip():
        return "the end of the file"
    return f"'{text[place]}'" if not text[place].isspace() else "the end of the line"


def _tab(positions: Positions, place: int) -> int | None:
    """The offset of the tab that the parser stumbles over: at the place, or in the indentation of its line."""
    text = positions.text
    if text[place : place + 1] == "\t":
        return place
    start = positions.line_start(place)
    indentation = text[start : start + len(text[start:]) - len(text[start:].lstrip(" \t"))]
    return start + indentation.index("\t") if "\t" in indentation else None
