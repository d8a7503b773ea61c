"""Expressions: structure, text, value, substitution and rendering."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.core.expression import (
    OPERATIONS,
    Apply,
    Constant,
    Dialect,
    Expression,
    Variable,
    absolute,
    apply,
    equal,
    erf,
    evaluate,
    exp,
    inputs,
    log,
    maximum,
    minimum,
    render,
    sigmoid,
    sqrt,
    substitute,
    tanh,
    variables,
    walk,
    where,
)

X, Y = inputs(2)
PYTHON = Dialect(
    {
        "add": "{0} + {1}",
        "divide": "{0} / {1}",
        "exp": "math.exp({0})",
        "greater": "{0} > {1}",
        "multiply": "{0} * {1}",
        "negative": "-{0}",
        "where": "{1} if {0} else {2}",
    },
    repr,
)


def test_equal_trees_are_equal_and_hash_alike() -> None:
    one, two = maximum(X * 2.0, Y) + 1, maximum(Variable("x0") * 2, Y) + 1.0
    assert one == two
    assert hash(one) == hash(two)
    assert one != maximum(Y, X * 2.0) + 1
    assert len({one, two, X, Variable("x0")}) == 2


def test_constants_differ_by_the_sign_of_zero_and_nan_equals_itself() -> None:
    assert Constant(0.0) != Constant(-0.0)
    assert Constant(math.nan) == Constant(float("nan"))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (X * (1 - X), "x0 * (1 - x0)"),
        (X - (Y - 1), "x0 - (x0 - 1)".replace("(x0", "(x1")),
        (X / Y / 2, "x0 / x1 / 2"),
        (X / (Y / 2), "x0 / (x1 / 2)"),
        (-(X + Y), "-(x0 + x1)"),
        (-X * Y, "-x0 * x1"),
        (X * -2.0, "x0 * -2"),
        (where(X > 0, X, 0.01 * X), "where(x0 > 0, x0, 0.01 * x0)"),
        (maximum(X, 0), "maximum(x0, 0)"),
        (1 / 3 * X, "0.3333333333333333 * x0"),
    ],
)
def test_text_is_readable(expression: Expression, text: str) -> None:
    assert str(expression) == text


def test_a_condition_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="where"):
        bool(X > 0)


def test_unknown_operations_and_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cosh"):
        apply("cosh", X)
    with pytest.raises(ValueError, match="2 operands"):
        apply("exp", X, Y)


def test_evaluate_agrees_with_numpy() -> None:
    x, y = np.linspace(-3, 3, 13), np.linspace(2, 0.5, 13)
    values = {"x0": x, "x1": y}
    cases: list[tuple[Expression, object]] = [
        (X + Y * 2 - X / Y, x + y * 2 - x / y),
        (2 - X, 2 - x),
        (1 / Y, 1 / y),
        (maximum(X, Y), np.maximum(x, y)),
        (minimum(X, 0), np.minimum(x, 0)),
        (exp(-X) + log(Y) + sqrt(Y), np.exp(-x) + np.log(y) + np.sqrt(y)),
        (tanh(absolute(X)), np.tanh(np.abs(x))),
        (erf(X), np.array([math.erf(each) for each in x])),
        (where(X <= 0, X, Y), np.where(x <= 0, x, y)),
        (where(equal(X, 0), 1, Y), np.where(x == 0, 1, y)),
    ]
    for expression, want in cases:
        np.testing.assert_array_equal(evaluate(expression, values, np), want)


def test_sigmoid_overflows_on_neither_side() -> None:
    with np.errstate(all="raise"):
        got = evaluate(sigmoid(X), {"x0": np.array([-700.0, -1.0, 0.0, 1.0, 700.0])}, np)
    want = [math.exp(-700.0), 1 / (1 + math.e), 0.5, math.e / (1 + math.e), 1.0]
    np.testing.assert_allclose(got, want, rtol=1e-15)  # float64, a handful of roundings
    extremes = evaluate(sigmoid(X), {"x0": np.array([-np.inf, np.inf, np.nan])}, np)
    np.testing.assert_array_equal(extremes, [0.0, 1.0, np.nan])


def test_substitute_exchanges_variables_and_whole_parts() -> None:
    assert substitute(X - Y, {X: Y, Y: X}) == Y - X
    chain = substitute(maximum(X, 0), {X: X * Y + 1})
    assert str(chain) == "maximum(x0 * x1 + 1, 0)"
    assert substitute(exp(X) / (1 + exp(X)), {exp(X): Y}) == Y / (1 + Y)
    untouched = exp(X)
    assert substitute(untouched, {Y: X}) is untouched


def test_variables_and_walk_meet_each_part_once() -> None:
    shared = exp(X)
    expression = shared * shared + shared
    assert variables([expression, Y]) == {"x0", "x1"}
    met = list(walk([expression]))
    assert met == [X, shared, shared * shared, expression]


def test_deeply_shared_expressions_stay_cheap() -> None:
    expression: Expression = X
    for _ in range(60):  # 2**60 paths, 61 parts
        expression = expression * expression
    assert len(list(walk([expression]))) == 61
    assert evaluate(expression, {"x0": 1.0}, np) == 1.0
    assert len(render([expression], {"x0": "a"}, PYTHON).assignments) == 60


def test_rendered_text_computes_shared_parts_once_and_runs() -> None:
    power = exp(-X)
    outputs = [power / (1 + power), where(power > 1, power, Y)]
    rendered = render(outputs, {"x0": "a", "x1": "b"}, PYTHON)
    assert sum("math.exp" in text for _, text in rendered.assignments) == 1
    scope: dict[str, object] = {"math": math, "a": -0.5, "b": 4.0}
    for name, text in rendered.assignments:
        exec(f"{name} = {text}", scope)  # noqa: S102 - the text under test
    e = math.exp(0.5)
    assert [scope[name] for name in rendered.results] == [e / (1 + e), e]
    assert rendered == render(outputs, {"x0": "a", "x1": "b"}, PYTHON)


def test_every_operation_is_written_in_one_place() -> None:
    for operation, count in OPERATIONS.items():
        expression = apply(operation, *[X] * count)
        assert isinstance(expression, Apply)
        assert "x0" in str(expression)
