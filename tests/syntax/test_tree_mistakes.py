"""Mistakes in YAML: what is said, where, and what is read all the same; and the bounds."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from netspec.diagnostics import Diagnostics, Span
from netspec.diagnostics.render import render_text
from netspec.syntax.nodes import Node, Sequence
from netspec.syntax.source import Source
from netspec.syntax.tree import parse, to_plain

LOADERS = [yaml.CSafeLoader, yaml.SafeLoader]
both_loaders = pytest.mark.parametrize("loader", LOADERS, ids=["libyaml", "python"])


def read(text: str, loader: Any = None) -> tuple[Node | None, Diagnostics]:
    bag = Diagnostics()
    tree = parse(Source("f.yaml", text), bag, loader)
    return (tree.root if tree else None), bag


def clean(text: str, loader: Any = None) -> Node:
    root, bag = read(text, loader)
    assert root is not None
    assert not len(bag), [diagnostic.message for diagnostic in bag]
    return root


def rendered(text: str, loader: Any = None) -> str:
    return render_text(read(text, loader)[1], {"f.yaml": text})


@both_loaders
def test_a_key_written_twice(loader: Any) -> None:
    text = "layers:\n  - conv: {filters: 4, kernel: 3, filters: 5}\n"
    root, _ = read(text, loader)
    assert root is not None
    assert to_plain(root) == {"layers": [{"conv": {"filters": 4, "kernel": 3}}]}
    assert rendered(text, loader) == (
        "f.yaml:2:35: error[NS002] key 'filters' is written twice in this mapping\n"
        "  |\n"
        "2 |   - conv: {filters: 4, kernel: 3, filters: 5}\n"
        "  |                                   ^^^^^^^\n"
        "  |            ------- first written here\n"
        "  help: keep one of the two; until then the first one counts\n"
    )
    _, bag = read("a: 1\n'a': 2\n\"a\": 3\n", loader)
    assert [(one.code, one.span[1:3], one.notes[0].span[1:3]) for one in bag] == [
        ("NS002", (2, 1), (1, 1)),
        ("NS002", (3, 1), (1, 1)),
    ]


@both_loaders
@pytest.mark.parametrize(
    ("text", "column", "quoted"),
    [
        ("a: {filters: $(w[i]), kernel: 3}\n", 17, '"$(w[i])"'),
        ("a: {filters: $w[0], kernel: 3}\n", 16, '"$w[0]"'),
        ("a: [$(max(w[0], 2)), 3]\n", 12, '"$(max(w[0], 2))"'),
        ("a: {b: $({x}), c: 3}\n", 10, '"$({x})"'),
    ],
)
def test_an_expression_with_a_bracket_wants_quotes(text: str, column: int, quoted: str, loader: Any) -> None:
    _, bag = read(text, loader)
    (found,) = bag
    assert (found.code, found.span.line, found.span.column) == ("NS001", 1, column)
    assert "since the expression is not in quotes" in found.message
    assert found.help_text == f"put the whole expression in quotes: {quoted}"


@both_loaders
def test_merge_keys_are_named_and_guessed(loader: Any) -> None:
    root, bag = read("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: {<<: [*a, {z: 4}]}\nd: {'<<': 1}\n", loader)
    assert [(one.code, one.span[1:]) for one in bag] == [("NS009", (3, 3, 3, 5)), ("NS009", (5, 5, 5, 7))]
    assert root is not None
    assert to_plain(root) == {
        "a": {"x": 1, "y": 2},
        "b": {"y": 3, "x": 1},
        "c": {"x": 1, "y": 2, "z": 4},
        "d": {"<<": 1},
    }


@both_loaders
def test_keys_must_be_text(loader: Any) -> None:
    root, bag = read("1: a\ntrue: b\n~: c\n[x]: d\n? {y: 1}\n: e\n?\n: f\n'2': g\n", loader)
    assert [(one.message, one.help_text) for one in bag] == [
        ("a key must be text, but this one is the number 1", "put it in quotes: '1'"),
        ("a key must be text, but this one is true", "put it in quotes: 'true'"),
        ("a key must be text, but this one is nothing (null)", "put it in quotes: '~'"),
        ("a key must be text, but this one is a list", None),
        ("a key must be text, but this one is a mapping", None),
        ("a key must be text, but this one is nothing (null)", None),
    ]
    assert root is not None
    assert to_plain(root) == {"1": "a", "true": "b", "~": "c", "2": "g"}


@both_loaders
@pytest.mark.parametrize(
    ("text", "span", "message", "value"),
    [
        (
            "x: !!python/object/apply:os.system ['true']",
            (4, 35),
            "tag '!!python/object/apply:os.system' is not accepted: a spec holds plain data",
            ["true"],
        ),
        ("x: !mine 5", (4, 9), "tag '!mine' is not accepted: a spec holds plain data", 5),
        (
            "x: !!timestamp 2001-01-01",
            (4, 15),
            "tag '!!timestamp' is not accepted: a spec holds plain data",
            "2001-01-01",
        ),
        ("x: !!set {a: }", (4, 9), "tag '!!set' is not accepted: a spec holds plain data", {"a": None}),
        ("x: !int 5", (4, 8), "tag '!int' is not accepted: a spec holds plain data", 5),
        ("x: !<int> 5", (4, 10), "tag '!<int>' is not accepted: a spec holds plain data", 5),
        ("x: !!int big", (4, 9), "tag '!!int' does not fit 'big'", "big"),
        ("x: !!seq big", (4, 9), "tag '!!seq' does not fit 'big'", "big"),
        ("x: !!str [1]", (4, 9), "tag '!!str' does not fit a list", [1]),
        ("x: !!seq {a: 1}", (4, 9), "tag '!!seq' does not fit a mapping", {"a": 1}),
    ],
)
def test_tags(loader: Any, text: str, span: tuple[int, int], message: str, value: object) -> None:
    root, bag = read(text, loader)
    assert [(one.code, one.span.column, one.span.end_column, one.message) for one in bag] == [("NS003", *span, message)]
    assert root is not None
    assert to_plain(root) == {"x": value}


@both_loaders
def test_an_undefined_tag_handle_is_a_tag_not_accepted(loader: Any) -> None:
    root, bag = read("x: !e!mine 5\n", loader)
    assert root is None
    assert [(one.code, one.span[1:]) for one in bag] == [("NS003", (1, 4, 1, 11))]


@both_loaders
@pytest.mark.parametrize(
    ("text", "cut", "meant", "brackets"),
    [
        ("x: {a: $(min(1, b)), c: 3}", (1, 8, 1, 20), {"a": "$(min(1, b))", "c": 3}, "{...}"),
        ("x: {c: 3, a: $(max(1, 2, b))}", (1, 14, 1, 29), {"c": 3, "a": "$(max(1, 2, b))"}, "{...}"),
        ("x: [0, $(min(1, 2)), 3]", (1, 8, 1, 20), [0, "$(min(1, 2))", 3], "[...]"),
        ("x: [$(min(1,\n  2))]", (1, 5, 2, 6), ["$(min(1, 2))"], "[...]"),
        ("x: {a: $min(1, b)}", (1, 8, 1, 18), {"a": "$min(1, b)"}, "{...}"),
        ("x: [$(min(a, (b)))]", (1, 5, 1, 19), ["$(min(a, (b)))"], "[...]"),
    ],
)
def test_an_expression_that_wants_quotes(
    loader: Any, text: str, cut: tuple[int, ...], meant: object, brackets: str
) -> None:
    root, bag = read(text, loader)
    assert root is not None
    assert to_plain(root) == {"x": meant}
    [diagnostic] = bag
    assert (diagnostic.code, diagnostic.span[1:]) == ("NS115", cut)
    assert brackets in diagnostic.message
    assert diagnostic.fix is not None
    [edit] = diagnostic.fix.edits
    assert edit.span == diagnostic.span
    assert diagnostic.help_text == f"put it in quotes: {edit.replacement}"
    lines = text.split("\n")
    mended = "\n".join(
        [
            *lines[: cut[0] - 1],
            lines[cut[0] - 1][: cut[1] - 1] + edit.replacement + lines[cut[2] - 1][cut[3] - 1 :],
        ]
    )
    assert to_plain(clean(mended, loader)) == {"x": meant}


@pytest.mark.parametrize("text", ["x: {a: $(1, b: 2}", "x: [$(1, [2]]", "x: [$(1, '2)']", "x: {a: $(b, c}"])
def test_what_never_closes_is_left_as_it_is(text: str) -> None:
    assert all(one.code != "NS115" for one in read(text)[1])


def test_a_quoted_comma_is_no_mistake() -> None:
    assert to_plain(clean("x: {a: '$(min(1, 2))', b: \"$(max(1, 2))\"}\ny: $(min(1, 2))")) == {
        "x": {"a": "$(min(1, 2))", "b": "$(max(1, 2))"},
        "y": "$(min(1, 2))",
    }


SYNTAX = {
    "a:\n\t- b\n": ("NS005", 2, 1, "a tab stands where YAML wants blanks"),
    "a:\n  b: 1\n  \tc: 2\n": ("NS005", 3, 3, "a tab stands where YAML wants blanks"),
    "a: b: c\n": ("NS001", 1, 5, "this ':' stands where no key can end"),
    "a: 1\n  b: 2\n": ("NS001", 2, 4, "this ':' stands where no key can end"),
    "a: [1, 2\nb: 3\n": ("NS001", 1, 4, "the '[' that opens here is never closed"),
    "a: {b: 1\n": ("NS001", 1, 9, "',' or '}' is wanted here, not the end of the file"),
    "a: {b: 1 c: 2}\n": ("NS001", 1, 11, "',' or '}' is wanted here, not ':'"),
    "a: 'x\nb: 3\n": ("NS001", 1, 4, "the quote that opens here is never closed"),
    'a: "x\n---\n': ("NS001", 1, 4, "the quote that opens here is not closed before the document ends"),
    "- a\nb: 1\n": ("NS001", 2, 1, "'b' stands where an item ('- ') of the list is wanted"),
    "a: 1\n- b\n": ("NS001", 2, 1, "'-' stands where a key of the mapping is wanted"),
    "a:\n  b: 1\n c: 2\n": ("NS001", 3, 2, "this line is indented like none of the lines that it could belong to"),
    "a:\n  - b: 3\n - c\n": ("NS001", 3, 2, "this line is indented like none of the lines that it could belong to"),
    "a: 'it's'\n": ("NS001", 1, 8, "'s' stands behind the end of a value"),
    "- [a, b]]\n": ("NS001", 1, 9, "']' stands behind the end of a value"),
    "a: @x\n": ("NS001", 1, 4, "'@' cannot begin a value"),
    "a: `x`\n": ("NS001", 1, 4, "'`' cannot begin a value"),
    "a: %x\n": ("NS001", 1, 4, "'%' cannot begin a value"),
    "a: 1\nrelu\n": ("NS001", 2, 1, "this line is neither 'key: value' nor a list item"),
    "a: - b\n": ("NS001", 1, 4, "a list item cannot begin here"),
    "a: [,]\n": ("NS001", 1, 5, "a value is wanted here, not ','"),
    'a: "\\q"\n': ("NS001", 1, 5, "this is no escape of double quotes"),
    'a: "b \\xZZ"\n': ("NS001", 1, 7, "this is no escape of double quotes"),
    "a: &\n": ("NS001", 1, 4, "'*' begins an alias and '&' an anchor, but no name follows"),
    "a: !<x\n": ("NS001", 1, 4, "'!' begins a tag, but this is none"),
    "a: |x\n b\n": ("NS001", 1, 5, "behind '|' or '>' the text begins on the next line"),
    "{a: 1}\nb\n": ("NS001", 2, 1, "'b' stands behind the end of the spec"),
    "%YAML 2.0\n---\na: 1\n": ("NS001", 1, 1, "this directive is not understood"),
    "a: *x\n": ("NS001", 1, 4, "alias '*x' names no anchor before it"),
    "a: &x [*x]\n": ("NS001", 1, 8, "alias '*x' stands inside the value that it names"),
    "a: \x07\n": ("NS001", 1, 4, "the character U+0007 is not allowed"),
    "a: x\ufeff\x07\n": ("NS001", 1, 5, "the character U+FEFF is not allowed"),
    "a: \ud800\n": ("NS001", 1, 4, "the character U+D800 is not allowed"),
    "a: " + "9" * 200: ("NS014", 1, 4, "this number has 200 digits, more than the 100 that are read"),
}


@both_loaders
@pytest.mark.parametrize("text", SYNTAX, ids=[repr(text)[:24] for text in SYNTAX])
def test_what_is_no_yaml(loader: Any, text: str) -> None:
    root, bag = read(text, loader)
    assert root is None
    code, line, column, words = SYNTAX[text]
    [diagnostic] = bag
    prefix = "this is not valid YAML: " if code == "NS001" else ""
    assert (diagnostic.code, *diagnostic.span[1:3], diagnostic.message) == (code, line, column, prefix + words)


@both_loaders
def test_the_opening_bracket_is_shown(loader: Any) -> None:
    assert rendered("layers:\n  - conv: {filters: 4, kernel: 3\n  - relu\n", loader) == (
        "f.yaml:2:11: error[NS001] this is not valid YAML: the '{' that opens here is never closed\n"
        "  |\n"
        "2 |   - conv: {filters: 4, kernel: 3\n"
        "  |           ^\n"
        "3 |   - relu\n"
        "  |         - all up to here was read as part of it\n"
        "  help: write the closing '}'\n"
    )


@both_loaders
def test_a_bracket_that_is_closed_is_not_blamed(loader: Any) -> None:
    _, bag = read("a: {x: 1,\n  y: '}' z: 3}  # }\n", loader)
    assert [(one.code, one.span.line) for one in bag] == [("NS001", 2)]


@both_loaders
def test_escapes_that_give_half_a_character(loader: Any) -> None:
    assert [one.code for one in read('a: "\\uD800"', loader)[1]] == ["NS001"]
    assert [one.code for one in read('a: "\\UFFFFFFFF"', loader)[1]] == ["NS001"]


@both_loaders
@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n...\n", " \n\n"])
def test_empty_files(loader: Any, text: str) -> None:
    root, bag = read(text, loader)
    assert root is None
    assert [(one.code, one.span) for one in bag] == [("NS011", Span.of_file("f.yaml"))]


@both_loaders
def test_one_document_only(loader: Any) -> None:
    assert to_plain(clean("%YAML 1.2\n---\na: 1\n...\n", loader)) == {"a": 1}
    root, bag = read("---\na: 1\n---\nb: 2\n--- [\n", loader)
    assert [(one.code, one.span[1:]) for one in bag] == [("NS010", (3, 1, 3, 4))]
    assert root is not None
    assert to_plain(root) == {"a": 1}


@both_loaders
def test_nesting_is_bounded(loader: Any) -> None:
    assert isinstance(clean("[" * 100 + "]" * 100, loader), Sequence)
    for text in ("[" * 101 + "]" * 101, "[" * 100_000, "{a: " * 100_000, "- " * 100_000):
        root, bag = read(text, loader)
        assert root is None
        assert [one.code for one in bag] == ["NS012"]
        assert bag.sorted()[0].span.line == 1
    assert bag.sorted()[0].message == "this is nested more than 100 levels deep"


@both_loaders
def test_nesting_through_aliases_is_bounded(loader: Any) -> None:
    chain = "- &a0 [1]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 200))
    root, bag = read(chain, loader)
    assert root is None
    assert bag.sorted()[0].code == "NS012"
    assert bag.sorted()[0].span[1:] == (100, 9, 100, 13)


@both_loaders
def test_alias_bombs_are_defused(loader: Any) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        bomb += f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    start = time.perf_counter()
    root, bag = read(bomb, loader)
    assert time.perf_counter() - start < 5  # 9**9 values would take minutes
    assert root is None
    [diagnostic] = bag
    assert diagnostic.code == "NS004"
    assert diagnostic.message == "alias '*e' makes the spec expand to more than 100,000 values"


@both_loaders
def test_an_unknown_alias_names_the_anchors_that_are_there(loader: Any) -> None:
    _, bag = read("a: &first 1\nb: *frist\n", loader)
    [diagnostic] = bag
    assert diagnostic.message == "this is not valid YAML: alias '*frist' names no anchor before it"
    assert diagnostic.help_text == "'&frist' before a value, above this line, names it; named so far: *first"
