"""The tree: values and places with both of PyYAML's parsers; every text ends with one or a diagnostic."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Diagnostics, Span
from netspec.diagnostics.render import render_text
from netspec.syntax.nodes import Mapping, Node, Scalar, Sequence
from netspec.syntax.source import Source
from netspec.syntax.tree import find, key_span, parse, to_plain

LOADERS = [yaml.CSafeLoader, yaml.SafeLoader]
both_loaders = pytest.mark.parametrize("loader", LOADERS, ids=["libyaml", "python"])

SPEC = """\
netspec: 1
name: tiny   # a comment
vars: {classes: 10, width: 16}
input: [32, 32, 3]
layers:
  - conv: {filters: $width, kernel: 3}
  - relu
  - dense: '10'
doc: |
  Two lines
  of text.

train:
  lr: 1e-3
  on_nan: no
  seed:
"""


def read(text: str, loader: Any = None) -> tuple[Node | None, Diagnostics]:
    bag = Diagnostics()
    tree = parse(Source("f.yaml", text), bag, loader)
    return (tree.root if tree else None), bag


def clean(text: str, loader: Any = None) -> Node:
    root, bag = read(text, loader)
    assert root is not None
    assert not len(bag), [diagnostic.message for diagnostic in bag]
    return root


def place(node: Node) -> tuple[int, int, int, int]:
    return node.span[1:]


@both_loaders
def test_values(loader: Any) -> None:
    assert to_plain(clean(SPEC, loader)) == {
        "netspec": 1,
        "name": "tiny",
        "vars": {"classes": 10, "width": 16},
        "input": [32, 32, 3],
        "layers": [{"conv": {"filters": "$width", "kernel": 3}}, "relu", {"dense": "10"}],
        "doc": "Two lines\nof text.\n",
        "train": {"lr": 0.001, "on_nan": "no", "seed": None},
    }


@both_loaders
def test_places(loader: Any) -> None:
    root = clean(SPEC, loader)
    places = {
        (): ((1, 1, 16, 8), None),
        ("netspec",): ((1, 10, 1, 11), (1, 1, 1, 8)),
        ("name",): ((2, 7, 2, 11), (2, 1, 2, 5)),
        ("vars",): ((3, 7, 3, 31), (3, 1, 3, 5)),
        ("vars", "width"): ((3, 28, 3, 30), (3, 21, 3, 26)),
        ("input", 1): ((4, 13, 4, 15), None),
        ("layers",): ((6, 3, 8, 16), (5, 1, 5, 7)),
        ("layers", 0): ((6, 5, 6, 39), None),
        ("layers", 0, "conv", "filters"): ((6, 21, 6, 27), (6, 12, 6, 19)),
        ("layers", 1): ((7, 5, 7, 9), None),
        ("layers", 2, "dense"): ((8, 12, 8, 16), (8, 5, 8, 10)),
        ("doc",): ((9, 6, 11, 11), (9, 1, 9, 4)),
        ("train",): ((14, 3, 16, 8), (13, 1, 13, 6)),
        ("train", "seed"): ((16, 8, 16, 8), (16, 3, 16, 7)),
    }
    for path, (node_place, key_place) in places.items():
        found = find(root, path)
        assert found is not None, path
        assert place(found.node) == node_place, path
        assert (found.key_span and found.key_span[1:]) == key_place, path


def test_find_and_key_span() -> None:
    root = clean("a: {b: [1, 2]}")
    for path in (["x"], ["a", 0], ["a", "b", 2], ["a", "b", -1], ["a", "b", "0"], ["a", "b", 0, "c"]):
        assert find(root, path) is None
    assert isinstance(root, Mapping)
    assert key_span(root, "a") == Span("f.yaml", 1, 1, 1, 2)
    assert key_span(root, "x") is None


@both_loaders
@pytest.mark.parametrize(
    ("text", "value", "raw", "style"),
    [
        ("x: plain", "plain", "plain", "plain"),
        ("x: 'it''s'", "it's", "'it''s'", "single"),
        ('x: "a\\tb"', "a\tb", '"a\\tb"', "double"),
        ("x: |\n  a\n  b\n\n\n", "a\nb\n", "|\n  a\n  b", "literal"),
        ("x: >-\n  a\n  b\n", "a b", ">-\n  a\n  b", "folded"),
        ("x: one\n  two\ny: 1", "one two", "one\n  two", "plain"),
        ("x: &a !!str 12", "12", "12", "plain"),
        ("x: !!str &a # why\n  12", "12", "12", "plain"),
        ("x: !<tag:yaml.org,2002:int> '12'", 12, "'12'", "single"),
        ("x: ! 12", "12", "12", "plain"),
        ("x: &a\ny: 1", None, "", "plain"),
        ("x: '12'", "12", "'12'", "single"),
        ("x: 'true'", "true", "'true'", "single"),
        ("x: 012", 12, "012", "plain"),
        ("x: !!float 3", 3.0, "3", "plain"),
        ("x: 日本", "日本", "日本", "plain"),
    ],
)
def test_scalars(loader: Any, text: str, value: object, raw: str, style: str) -> None:
    root = clean(text, loader)
    assert isinstance(root, Mapping)
    scalar = root.entries[0].value
    assert isinstance(scalar, Scalar)
    assert (scalar.value, scalar.raw, scalar.style) == (value, raw, style)
    assert type(scalar.value) is type(value)


@both_loaders
def test_columns_count_characters(loader: Any) -> None:
    root = clean("é日: [ü, 'x']\r\nb: 𝔸 # ✓\r\nc: 1\r\n", loader)
    assert isinstance(root, Mapping)
    assert [entry.key.span[1:] for entry in root.entries] == [(1, 1, 1, 3), (2, 1, 2, 2), (3, 1, 3, 2)]
    assert [place(entry.value) for entry in root.entries] == [(1, 5, 1, 13), (2, 4, 2, 5), (3, 4, 3, 5)]


@both_loaders
def test_only_true_line_ends_count(loader: Any) -> None:
    root = clean("a: 'x\u2028y'  # \u2029 \x85\nb: 1\n", loader)
    assert isinstance(root, Mapping)
    assert key_span(root, "b") == Span("f.yaml", 2, 1, 2, 2)


@both_loaders
def test_collections_with_anchor_and_tag_begin_at_their_content(loader: Any) -> None:
    root = clean("a: &x !!map\n  b: 1\nc: !!seq &y [1]\nd: &z\n- 2\n", loader)
    assert [place(entry.value) for entry in root.entries] == [(2, 3, 2, 7), (3, 13, 3, 16), (5, 1, 5, 4)]


@both_loaders
def test_aliases(loader: Any) -> None:
    root = clean("a: &x [1, 2]\nb: *x\nc: &k k\n*k : 5\nd: {e: *x, f: *k}\n", loader)
    assert to_plain(root) == {"a": [1, 2], "b": [1, 2], "c": "k", "k": 5, "d": {"e": [1, 2], "f": "k"}}
    found = {path: find(root, path) for path in (("b",), ("d", "f"), ("d",), ("k",))}
    # A shared list is where it is written; a scalar is where it is used, for it may be wrong only there.
    assert found["b",].node.span[1:] == (1, 7, 1, 13)
    assert found["d", "f"].node.span[1:] == (5, 15, 5, 17)
    assert found["d", "f"].node.raw == "*k"
    assert found["d",].node.span[1:] == (5, 4, 5, 18)
    assert found["k",].key_span[1:] == (4, 1, 4, 3)


@both_loaders
def test_an_anchor_may_be_given_again(loader: Any) -> None:
    assert to_plain(clean("- &a 1\n- *a\n- &a 2\n- *a\n", loader)) == [1, 1, 2, 2]


@both_loaders
def test_nodes_cannot_be_changed(loader: Any) -> None:
    root = clean("a: 1", loader)
    with pytest.raises(AttributeError):
        root.span = Span.of_file("f")  # type: ignore[misc]  # that it is refused is what is tested


def test_time_is_linear() -> None:
    def seconds(layers: int) -> float:
        text = "layers:\n" + "  - conv: {filters: $(min(1, 2)), kernel: 3}\n" * layers
        start = time.perf_counter()
        root, bag = read(text)
        elapsed = time.perf_counter() - start
        assert root is not None
        assert len(bag) == layers
        return elapsed

    # Ten times the text in at most thirty times the time: linear passes, quadratic never. The fastest of several runs
    # counts, since other work on the machine only ever adds time.
    short, long = (min(seconds(layers) for _ in range(3)) for layers in (500, 5_000))
    assert long < 30 * max(short, 0.005)


def walk(node: Node) -> list[Node]:
    if isinstance(node, Scalar):
        return [node]
    if isinstance(node, Sequence):
        return [node, *(below for item in node.items for below in walk(item))]
    return [node, *(below for entry in node.entries for below in (entry.key, *walk(entry.value)))]


# JSON writes a character beyond the basic plane as two escapes, which YAML refuses; so it is written as itself. What
# neither parser accepts unescaped is left out.
TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"), max_size=8
)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner | st.none(), max_size=4) | st.dictionaries(TEXT, inner | st.none(), max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_json_is_read_as_what_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    for loader in LOADERS:
        assert to_plain(clean(text, loader)) == value
    assert clean(text, LOADERS[0]) == clean(text, LOADERS[1])


@given(VALUES, st.booleans(), st.booleans())
@settings(max_examples=100, derandomize=True, deadline=None)
def test_both_parsers_give_the_same_tree(value: object, flow: bool, unicode: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=unicode)
    (fast, fast_bag), (slow, slow_bag) = (read(text, loader) for loader in LOADERS)
    assert fast == slow
    assert fast_bag.sorted() == slow_bag.sorted()
    if fast:
        lines = text.split("\n")
        for node in walk(fast):
            assert 1 <= node.span.line <= node.span.end_line <= len(lines)
            if isinstance(node, Scalar) and "\n" not in node.raw:
                _, line, column, _, end_column = node.span
                assert lines[line - 1][column - 1 : end_column - 1] == node.raw


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "1",
        ": ",
        ":",
        "- ",
        "-",
        "? ",
        "\n",
        "\n  ",
        "\n    ",
        " ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        '"',
        "|",
        ">",
        "#",
        " # ",
        "&a",
        "*a ",
        "!!int ",
        "!x ",
        "!",
        "%",
        "@",
        "$(min(",
        "))",
        "<<",
        "---\n",
        "...\n",
        "\\",
        "\\u12",
        "é",
        "日",
        "\u2028",
        "\ufeff",
        "\r",
        "\x00",
        "~",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40))
@example("a: !!str")
@example("? - a\n: b")
@example("&a")
@example("*a")
@example("!<")
@example('"\\U00110000"')
@example("%YAML 1." + "9" * 5000)
@settings(max_examples=400, derandomize=True, deadline=None)
def test_any_text_ends_with_a_tree_or_a_diagnostic(text: str) -> None:
    for loader in LOADERS:
        root, bag = read(text, loader)
        assert root is not None or len(bag)
        assert render_text(bag, {"f.yaml": text}) or not len(bag)
        for diagnostic in bag:
            assert diagnostic.span[1:3] <= diagnostic.span[3:5]
        if root is not None:
            to_plain(root)
