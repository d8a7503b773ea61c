"""Fixes: the mistake is gone afterwards, nothing else has changed, and a second run changes nothing."""

from __future__ import annotations

import re

import pytest
from rule_pages import example

from netspec.diagnostics import Edit, Fix, Span
from netspec.diagnostics.catalogue import codes, lookup
from netspec.lint.engine import lint, load_rules
from netspec.lint.fixes import Mended, apply, mend
from netspec.lint.repairs import mendable
from netspec.syntax.source import Source

HEAD = "netspec: 1  # the language\ninput: [16, 16, 3]\nlayers:\n"


def mended(text: str, unsafe: bool = False) -> Mended:
    return mend(Source("spec.yaml", text), lint, unsafe)


CASES = {
    "key": ("  - conv: {filters: 4, kernal: 3}  # c\n", "  - conv: {filters: 4, kernel: 3}  # c\n"),
    "key of Keras": ("  - max_pool: {pool_size: 2, strides: 2}\n", "  - max_pool: {size: 2, stride: 2}\n"),
    "quoted key": ('  - conv: {filters: 4, "kernal": 3}\n', '  - conv: {filters: 4, "kernel": 3}\n'),
    "op": ("  - rleu  # c\n", "  - relu  # c\n"),
    "op of Keras": ("  - MaxPooling2D: 2\n", "  - max_pool: 2\n"),
    "value": ("  - max_pool: {size: 2, round: cail}\n", "  - max_pool: {size: 2, round: ceil}\n"),
    "quoted value": ("  - max_pool: {size: 2, round: 'cail'}\n", "  - max_pool: {size: 2, round: 'ceil'}\n"),
    "modifier": ("  - relu:\n    nmae: a\n", "  - relu:\n    name: a\n"),
    "name": (
        "  - relu:\n    name: stem\n  - max_pool: 2\n    from: stme\n",
        "  - relu:\n    name: stem\n  - max_pool: 2\n    from: stem\n",
    ),
    "automatic name": (
        "  - max_pool: 2  # c\n  - relu:\n    name: a\n  - add:\n    from: [max_pool, a]\n",
        "  - max_pool: 2  # c\n    name: max_pool\n  - relu:\n    name: a\n  - add:\n    from: [max_pool, a]\n",
    ),
    "automatic name of a bare op": (
        "  - relu  # c\n  - max_pool: 1\n    name: a\n  - add:\n    from: [relu, a]\n",
        "  - relu:  # c\n    name: relu\n  - max_pool: 1\n    name: a\n  - add:\n    from: [relu, a]\n",
    ),
    "comma": ("  - conv: {filters: $(max(3, 4)), kernel: 3}\n", '  - conv: {filters: "$(max(3, 4))", kernel: 3}\n'),
    "too little indented": (
        "  - conv:\n      filters: 4  # four\n    kernel: 3  # three\n",
        "  - conv:\n      filters: 4  # four\n      kernel: 3\n    # three\n",
    ),
    "beside a main attribute": (
        "  - conv: 4  # four\n    kernel: 3\n    padding: same\n",
        "  - conv: {filters: 4, kernel: 3, padding: same}  # four\n",
    ),
    "beside braces": ("  - conv: {filters: 4}\n    kernel: 3\n", "  - conv: {filters: 4, kernel: 3}\n"),
    "beside nothing": ("  - conv:\n    filters: 4\n    kernel: 3\n", "  - conv: {filters: 4, kernel: 3}\n"),
    "too deep": (
        "  - conv: {filters: 4, name: a, kernel: 3}  # c\n",
        "  - conv: {filters: 4, kernel: 3}  # c\n    name: a\n",
    ),
    "too deep in lines": (
        "  - conv:\n      filters: 4\n      name: a\n      kernel: 3  # c\n",
        "  - conv:\n      filters: 4\n      kernel: 3  # c\n    name: a\n",
    ),
    "too deep within braces": (
        "  - {conv: {filters: 4, kernel: 3, name: a}}\n",
        "  - {conv: {filters: 4, kernel: 3}, name: a}\n",
    ),
    "flatten": (
        "  - relu\n  # ten classes\n  - dense: 10  # c\n",
        "  - relu\n  # ten classes\n  - flatten\n  - dense: 10  # c\n",
    ),
    "flatten in brackets": ("  [relu, dense: 10]\n", "  [relu, flatten, dense: 10]\n"),
    "bias": (
        "  - conv: {filters: 4, kernel: 3}\n  - batch_norm\n  - relu\n",
        "  - conv: {filters: 4, kernel: 3, bias: false}\n  - batch_norm\n  - relu\n",
    ),
    "written bias": (
        "  - conv:\n      filters: 4\n      bias: true  # c\n      kernel: 3\n  - batch_norm\n  - relu\n",
        "  - conv:\n      filters: 4\n      bias: false  # c\n      kernel: 3\n  - batch_norm\n  - relu\n",
    ),
    "bias in lines": (
        "  - conv:\n      filters: 4\n      kernel: 3  # c\n  - batch_norm\n  - relu\n",
        "  - conv:\n      filters: 4\n      kernel: 3  # c\n      bias: false\n  - batch_norm\n  - relu\n",
    ),
    "bias of a main attribute": (
        "  - flatten\n  - dense: 4  # c\n  - batch_norm\n  - relu\n",
        "  - flatten\n  - dense: {units: 4, bias: false}  # c\n  - batch_norm\n  - relu\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fix(name: str) -> None:
    before, after = (HEAD + layers for layers in CASES[name])
    result = mended(before)
    assert result.source.text == after
    assert result.fixes
    assert [d.code for d in result.diagnostics if d.severity != "info"] == []
    assert mended(after) == Mended(Source("spec.yaml", after), 0, result.diagnostics)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("input: [8, 8, 1]\nlayers: [relu]\n", "netspec: 1\ninput: [8, 8, 1]\nlayers: [relu]\n"),
        ("netspec: 1\ninput: [3, 8, 9] # c\nlayers: [relu]\n", "netspec: 1\ninput: [8, 9, 3] # c\nlayers: [relu]\n"),
        ("netspec: 1\ninput: [8, 8]\nlayers: [relu]\n", "netspec: 1\ninput: [8, 8, 1]\nlayers: [relu]\n"),
        (
            "netspec: 1\r\ninptu: [8, 8, 3]\r\nlayers: [relu]\r\n",
            "netspec: 1\r\ninput: [8, 8, 3]\r\nlayers: [relu]\r\n",
        ),
        (
            "netspec: 1\ninput: [4]\nlayers: [{dense: 3}]\nexpect: {prams: 15}\n",
            "netspec: 1\ninput: [4]\nlayers: [{dense: 3}]\nexpect: {params: 15}\n",
        ),
        (
            "netspec: 1\ninput: [4]\nlayers: [{dense: 3, name: a_b}]\nexpect: {shapes: {ab: [3]}}\n",
            "netspec: 1\ninput: [4]\nlayers: [{dense: 3, name: a_b}]\nexpect: {shapes: {a_b: [3]}}\n",
        ),
        (
            "netspec: 1\nvars: {width: 4}\ninput: [4]\nlayers: [{dense: $(2 * wdith)}]\n",
            "netspec: 1\nvars: {width: 4}\ninput: [4]\nlayers: [{dense: $(2 * width)}]\n",
        ),
    ],
)
def test_a_fix_of_a_whole_spec(before: str, after: str) -> None:
    result = mended(before)
    assert result.source.text == after
    assert list(result.diagnostics) == []


UNSAFE = {
    "padding": (
        "  - conv: {filters: 4, kernel: 17}\n  - relu\n",
        "  - conv: {filters: 4, kernel: 17, padding: same}\n  - relu\n",
    ),
    "activation": (
        "  - conv: {filters: 4, kernel: 1}\n  - conv: {filters: 4, kernel: 1}\n",
        "  - conv: {filters: 4, kernel: 1}\n  - relu\n  - conv: {filters: 4, kernel: 1}\n",
    ),
    "name used twice": (
        "  - relu:\n    name: a\n  - max_pool: 2\n    name: a\n",
        "  - relu:\n    name: a\n  - max_pool: 2\n    name: a2\n",
    ),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_fix_is_made_only_when_asked_for(name: str) -> None:
    before, after = (HEAD + layers for layers in UNSAFE[name])
    assert mended(before).source.text == before
    assert mended(before, unsafe=True).source.text == after


def test_a_bias_that_an_expectation_counts_is_left_to_the_person() -> None:
    text = "netspec: 1\ninput: [4]\nlayers:\n  - dense: 2\n  - batch_norm\n  - relu\nexpect: {params: 18}\n"
    assert mended(text).fixes == 0
    assert mended(text, unsafe=True).fixes == 1


def test_expressions_are_not_overwritten() -> None:
    text = "netspec: 1\nvars: {n: 12}\ninput: [28, 28, 1]\nlayers: [flatten, dense: $n]\ntrain: {data: mnist}\n"
    assert mended(text, unsafe=True).source.text == text


def test_a_mistake_in_a_block_is_mended_once() -> None:
    text = (
        "netspec: 1\ninput: [8, 8, 3]\nblocks:\n  cell:\n    layers:\n      - conv: {filters: 3, kernal: 1}\n"
        "      - relu\nlayers:\n  - cell\n  - cell:\n    repeat: 3\n"
    )
    result = mended(text)
    assert result.fixes == 1
    assert result.source.text == text.replace("kernal", "kernel")


def test_many_mistakes_at_once_keep_every_comment() -> None:
    text = HEAD + "".join(before for before, _ in CASES.values() if not before.startswith("  ["))
    result = mended(text, unsafe=True)
    assert re.findall("#.*", result.source.text) == re.findall("#.*", text)
    assert mended(result.source.text, unsafe=True).fixes == 0
    left = {d.code for d in result.diagnostics if d.fix is not None}
    assert left == set()


@pytest.mark.parametrize("code", load_rules(plugins=False))
def test_the_fix_of_a_rule_mends_its_failing_example(code: str) -> None:
    text = example(load_rules(plugins=False)[code].page, "Fails")
    if not any(d.code == code and d.fix for d in lint(Source("spec.yaml", text))):
        return
    result = mended(text, unsafe=True)
    assert code not in [d.code for d in result.diagnostics]
    assert mended(result.source.text, unsafe=True).source.text == result.source.text


def place(column: int, end: int) -> Span:
    return Span("f", 1, column, 1, end)


def test_fixes_that_touch_wait_for_another_round() -> None:
    one, two = Fix("a", (Edit(place(1, 3), "x"),)), Fix("b", (Edit(place(3, 4), "y"),))
    assert apply("abcd", [one, two]) == ("xcd", 1)
    assert apply("abcd", [one, one]) == ("xcd", 1)
    assert apply("abcd", [Fix("both", (*one.edits, *two.edits))]) == ("xyd", 1)


def test_edits_at_one_place_keep_their_order() -> None:
    assert apply("ab", [Fix("c", (Edit(place(2, 2), "1"), Edit(place(2, 2), "2")))]) == ("a12b", 1)


def test_every_did_you_mean_has_a_fix() -> None:
    advising = {
        code
        for code in codes()
        for advice in (lookup(code).help,)
        if any("did you mean" in text for text in ((advice,) if isinstance(advice, str) else advice))
    }
    assert {code for code in advising if not mendable(code)} <= {"NS112"}  # a mistake of the command line
