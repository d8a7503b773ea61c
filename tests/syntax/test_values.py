"""Values of attributes: whole numbers, expressions, shorthand, and what is refused, at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]


def attributes(reading: Any) -> Any:
    """The op of the last layer."""
    return reading.network.graph.nodes[-1].attrs


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("3.0", 3),
        ("3e0", 3),
        ("[3, 5.0]", (3, 5)),
        ("$k", 3),
        ("$(k)", 3),
        ("$(k + 2)", 5),
        ("$(6 / 2)", 3),
        ('"$(max(k, 4))"', 4),
        ("[$k, $(k + 2)]", (3, 5)),
        ("$(channels + 1)", 2),
    ],
)
def test_a_window(read: Read, written: str, value: object) -> None:
    found = attributes(read(f"vars: {{k: 3}}\nlayers:\n  - conv: {{filters: $k, kernel: {written}}}\n")).kernel
    assert found == value
    assert not isinstance(found, float)


@pytest.mark.parametrize(
    ("written", "code", "message"),
    [
        ("120.5", "NS102", "'filters' wants a whole number of at least 1, but got the number 120.5"),
        ("$(241 / 2)", "NS108", "'filters' wants a whole number of at least 1, but the expression gives 120.5"),
        ("$(1 - 1)", "NS109", "'filters' must be at least 1, but is 0"),
        ("$(1 > 0)", "NS102", "'filters' wants a whole number of at least 1, but got true"),
        ("$word", "NS102", "'filters' wants a whole number of at least 1, but got 'wide'"),
        ("$many", "NS102", "'filters' wants a whole number of at least 1, but got a list"),
        ("[4]", "NS102", "'filters' wants a whole number of at least 1, but got a list"),
        ("{a: 4}", "NS102", "'filters' wants a whole number of at least 1, but got a mapping"),
        ("null", "NS102", "'filters' wants a whole number of at least 1, but got nothing (null)"),
        ("true", "NS102", "'filters' wants a whole number of at least 1, but got true"),
        ("12x", "NS102", "'filters' wants a whole number of at least 1, but got '12x'"),
        ("$(1 // 0)", "NS116", "the expression has no value: nothing can be divided by 0"),
        ("$(3 +)", "NS106", "cannot read the expression: a value is wanted here, not ')'"),
    ],
)
def test_a_number_that_is_refused(read: Read, written: str, code: str, message: str) -> None:
    text = f"vars: {{word: wide, many: [1, 2]}}\nlayers:\n  - conv: {{filters: {written}, kernel: 3}}\n"
    found = [d for d in read(text).found if d.severity == "error"]
    assert [(d.code, d.message) for d in found] == [(code, message)]


def test_a_whole_number_names_the_ways_to_get_one(read_layers: Read) -> None:
    assert read_layers("- conv: {filters: $(7 / 2), kernel: 3}").helps == ["use //, floor, ceil or round"]


def test_an_item_that_an_expression_makes_wrong_is_marked_alone(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 3, kernel: [3, $(0 - 1)]}")
    assert reading.codes == ["NS109"]
    assert reading.marked == ["$(0 - 1)"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("same", "same"), ("2", 2), ("[1, 2]", (1, 2)), ("[[0, 1], 2]", ((0, 1), 2)), ("$(1 + 1)", 2), ("$p", "full")],
)
def test_padding_in_its_forms(read: Read, written: str, value: object) -> None:
    text = f"vars: {{p: full}}\nlayers:\n  - conv: {{filters: 4, kernel: 3, padding: {written}}}\n"
    reading = read(text)
    assert [c for c in reading.codes if c != "NS117"] == []
    assert reading.spec.graph.nodes[0].attrs.padding == value


@pytest.mark.parametrize("written", ["[1, 2, 3]", "[[1, 2, 3], 1]", "-1", "[[1, x], 1]", "sane", "true"])
def test_padding_that_is_refused(read_layers: Read, written: str) -> None:
    assert len(read_layers(f"- conv: {{filters: 4, kernel: 3, padding: {written}}}").codes) == 1


def test_a_var_may_hold_a_list_a_word_or_a_truth_value(read: Read) -> None:
    text = """\
vars: {window: [3, 5], pad: same, biased: false}
layers:
  - conv: {filters: 4, kernel: $window, padding: $pad, bias: $biased}
"""
    found = attributes(read(text))
    assert (found.kernel, found.padding, found.bias) == ((3, 5), "same", False)


def test_vars_use_those_before_them(read: Read) -> None:
    text = "vars: {a: 2, b: $(a * 3), c: $(b + a)}\nlayers:\n  - dense: $c\ninput: [4]\n"
    assert attributes(read(text)).units == 8


def test_vars_do_not_see_those_after_them(read: Read) -> None:
    reading = read("vars: {a: $later, later: 3}\ninput: [4]\nlayers:\n  - dense: $a\n")
    assert [d.code for d in reading.found if d.severity == "error"] == ["NS107"]


def test_channels_are_those_that_come_in(read: Read) -> None:
    layers = "  - conv: {filters: $(2 * channels), kernel: 1}\n  - conv: {filters: $channels, kernel: 1}\n"
    graph = read(f"input: [8, 8, 6]\nlayers:\n{layers}").network.graph
    assert [node.attrs.filters for node in graph.nodes] == [12, 12]


def test_a_doubled_dollar_is_plain_text(read: Read) -> None:
    text = "layers:\n  - flatten\n  - dense: 10\ntrain: {data: {idx: $$folder}}\n"
    assert read(text).network.recipe.data.path == "$folder"


def test_a_var_that_nothing_uses(read: Read) -> None:
    reading = read("vars: {used: 3, idle: 4}\nlayers:\n  - conv: {filters: $used, kernel: $(used)}\n")
    assert reading.codes == ["NS117"]
    assert reading.marked == ["idle"]
    assert reading.found[0].severity != "error"


@pytest.mark.parametrize("key", ["kernel", "filters"])
def test_yaml_numbers_are_those_of_its_core_schema(read_layers: Read, key: str) -> None:
    other = "kernel" if key == "filters" else "filters"
    assert getattr(attributes(read_layers(f"- conv: {{{key}: 012, {other}: 0xA}}", "[32, 32, 1]")), key) == 12


def test_main_attribute_and_missing_one(read_layers: Read) -> None:
    reading = read_layers("- conv: 6")
    assert reading.messages == ["'conv' needs 'kernel', which is missing"]
    assert reading.helps == ["add 'kernel:'"]
