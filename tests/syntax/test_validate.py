"""Where each mistake in the form is reported: at the key for a bad key, at the value for a bad value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "code", "marked", "help_text"),
    [
        ("layrs: []\n", "NS101", "layrs", "did you mean 'layers'?"),
        ("layers: []\nnmae: x\n", "NS101", "nmae", "did you mean 'name'?"),
        ("layers: []\nzzz: x\n", "NS101", "zzz", "known here: blocks, dialect, doc, "),
        ("layers: []\nexpect: {otput: [1]}\n", "NS101", "otput", "did you mean 'output'?"),
        ("layers:\n  - conv: {filters: 4, kernel: 3, Stride: 2}\n", "NS101", "Stride", "did you mean 'stride'?"),
        ("layers:\n  - max_pool: {kernel: 2}\n", "NS101", "kernel", "did you mean 'size'?"),
        ("layers:\n  - conv: {units: 2, kernel: 1}\n", "NS101", "units", "did you mean 'filters'?"),
        ("layers:\n  - relu: {slope: 2}\n", "NS101", "slope", "'relu' takes no attributes; 'leaky_relu' has 'slope'"),
        ("layers:\n  - Linear: 10\ninput: [4]\n", "NS104", "Linear", "did you mean 'dense'?"),
        ("layers:\n  - xyzzy: 10\n", "NS104", "xyzzy", "a block of your own stands under 'blocks:'"),
        ("layers: 5\n", "NS102", "5", None),
        ("layers: {conv: 5}\n", "NS102", "{conv: 5}", None),
        ("layers:\n  - - relu\n", "NS102", "- relu", None),
        ("layers: []\nvars: [1]\n", "NS102", "[1]", None),
        ("layers: []\nname: 5\n", "NS102", "5", None),
        ("layers: []\ninput: [28, 28, 0]\n", "NS109", "0", None),
        ("layers: []\ninput: [28, 28, 1.5]\n", "NS102", "1.5", None),
        ("layers: []\ninput: 28\n", "NS102", "28", None),
        ("layers: []\ntrain: fast\n", "NS102", "fast", None),
        ("layers:\n  - relu:\n    from: [3]\n", "NS102", "3", None),
        ("layers:\n  - relu:\n    from: []\n", "NS102", "[]", None),
        ("layers:\n  - concat: {axis: chanels, a: [], b: []}\n", "NS109", "chanels", "did you mean 'channels'?"),
        ("layers:\n  - concat: {axis: colour, a: [], b: []}\n", "NS109", "colour", None),
        (
            "layers:\n  - add: {a: relu, b: []}\n",
            "NS102",
            "relu",
            "a branch is a list of layers, as in [relu]; named outputs are merged by 'from: [a, b]' beside the op",
        ),
    ],
)
def test_place_and_advice(read: Read, text: str, code: str, marked: str, help_text: str | None) -> None:
    reading = read(text)
    assert reading.codes == [code], reading.messages
    assert reading.marked == [marked]
    if help_text is None:
        assert reading.helps == [None]
    else:
        assert reading.helps[0].startswith(help_text)


@pytest.mark.parametrize("key", ["netspec", "input", "layers"])
def test_what_must_be_there(read: Read, key: str) -> None:
    lines = {"netspec": "netspec: 1", "input": "input: [4]", "layers": "layers: []"}
    lines.pop(key)
    reading = read("# netspec: no version\n" + "\n".join(lines.values()))
    assert reading.codes == ["NS103"]
    assert reading.messages == [f"the spec needs '{key}', which is missing"]
    assert reading.found[0].span[1:] == (2, 1, 2, 2)


def test_another_version_of_the_language(read: Read) -> None:
    reading = read("netspec: 2\ninput: [4]\nlayers: []\n")
    assert reading.codes == ["NS114"]
    assert reading.marked == ["2"]


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "5"])
def test_a_file_that_holds_something_else(read: Read, text: str) -> None:
    reading = read(f"# netspec:\n{text}\n")
    assert reading.codes == ["NS102"]
    assert reading.spec is None


def test_each_value_is_refused_once(read_layers: Read) -> None:
    assert read_layers("- conv: {filters: -1.5, kernel: [0, 0, 0, 0]}").codes == ["NS102", "NS102"]


def test_two_ways_out_of_bounds_on_one_line(read_layers: Read) -> None:
    assert read_layers("- conv: {filters: -1, kernel: [0, -1]}").marked == ["-1", "0", "-1"]


def test_a_word_of_padding_that_is_none_names_all_that_would_do(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 1, kernel: 1, padding: reflected}")
    assert reading.messages == [
        "'padding' wants valid, same, full, causal, a whole number, or a list with a number or a [before, after] pair "
        "per axis, but got 'reflected'"
    ]


def test_a_key_that_stands_for_the_only_missing_one_must_suit_it(read_layers: Read) -> None:
    assert read_layers("- conv: {filters: 1, colour: red}").codes == ["NS103", "NS101"]
    assert read_layers("- conv: {filters: 1, colour: 3}").codes == ["NS101"]


def test_the_key_that_is_there_is_no_suggestion(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 1, kernel: 3, kernal: 4}")
    assert reading.helps == ["known here: bias, dilation, filters, groups, kernel, padding, stride"]


def test_mistakes_are_found_at_any_depth(read_layers: Read) -> None:
    reading = read_layers("- add:\n    a:\n      - layers:\n          - add: [[{cnov: {kernel: 0}}], []]\n    b: []")
    assert reading.codes[:2] == ["NS104", "NS103"]
    assert reading.marked[2] == "0"


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("text", ["layers: [{dropout: X}]", "layers: [relu]\ntrain: {validation: X}"])
def test_what_is_not_finite_is_no_number(read: Read, text: str, value: str) -> None:
    reading = read(text.replace("X", value) + "\n")
    assert reading.codes == ["NS102"]
    assert reading.marked == [value]
