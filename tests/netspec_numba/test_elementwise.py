"""Generated elementwise kernels against the same expressions in float64, and the float32 functions they use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, request, same_bits, tensor
from numba import njit

from netspec.core import expression as e
from netspec.core.types import TensorType, scalar
from netspec_numba.contract import Operand
from netspec_numba.host import LANES
from netspec_numba.kernels import functions
from netspec_numba.kernels.elementwise import Roles, build_elementwise, source
from netspec_numba.kernels.generated import module
from netspec_numba.kernels.lanes import load_lanes, store_lanes
from netspec_numba.kernels.loops import load, store


@dataclass(frozen=True)
class Op:
    """Attributes of an elementwise op."""

    make: Callable[..., tuple[e.Expression, ...]]

    def expressions(self, number_of_inputs: int) -> tuple[e.Expression, ...]:
        return self.make(*e.inputs(number_of_inputs))


def run_elementwise(op: Op, inputs: list[Operand], outputs: list[Operand], batch: int, n: int) -> None:
    same_bits(build_elementwise(request("elementwise", op, inputs, outputs, batch)), inputs, outputs, n)


RELU = Op(lambda x: (e.maximum(x, 0.0),))
GELU = Op(lambda x: (x * 0.5 * (1.0 + e.erf(x * math.sqrt(0.5))),))
SIGMOID = Op(lambda x: (e.sigmoid(x),))
SWISH_GRADIENT = Op(lambda x, dy: (dy * e.sigmoid(x) * (1.0 + x * (1.0 - e.sigmoid(x))),))


@pytest.mark.parametrize("op", [RELU, GELU, SIGMOID])
@pytest.mark.parametrize("shape", [(1,), (17,), (5, 3), (7, 5, LANES + 1), (50, 50, 3)])
def test_activations(op: Op, shape: tuple[int, ...]) -> None:
    kind, n = tensor(shape), 2
    x = np.random.default_rng(1).normal(0, 3, (n, *shape)).astype(np.float32)
    y = empty(kind, 3)
    run_elementwise(op, [operand(kind, x, 3)], [y], 3, n)
    close(logical(y, n), e.evaluate(op.expressions(1)[0], {"x0": x.astype(np.float64)}, np))


def test_special_values_come_out_as_numpy_has_them() -> None:
    x = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -3e38]], np.float32)
    y = np.array([[1.0, 0.0, np.nan, -0.0, 0.0, -np.inf, 3e38, np.inf]], np.float32)
    op = Op(
        lambda a, b: (
            e.maximum(a, b), e.minimum(a, b), a / b, a * b, a - b, e.exp(a), e.log(a), e.sqrt(a), e.tanh(a),
            e.absolute(a), e.erf(a), e.where(a < b, 1.0, -1.0), e.where(e.equal(a, b), math.inf, math.nan), -a,
        )
    )  # fmt: skip
    kind = TensorType((8,))
    outputs = [empty(kind, 1) for _ in range(14)]
    run_elementwise(op, [operand(kind, x, 1), operand(kind, y, 1)], outputs, 1, 1)
    for expression, got in zip(op.expressions(2), outputs, strict=True):
        want = np.asarray(e.evaluate(expression, {"x0": x, "x1": y}, np), np.float32)
        np.testing.assert_allclose(logical(got, 1), want, rtol=3e-7, atol=1e-44, err_msg=str(expression))


def test_in_place_and_several_outputs() -> None:
    """Two tensors change places, and are stored over themselves."""
    kind = tensor((6, 5, 3))
    rng = np.random.default_rng(2)
    values = [rng.normal(size=(2, 6, 5, 3)).astype(np.float32) for _ in range(2)]
    a, b = (operand(kind, each, 2) for each in values)
    run_elementwise(Op(lambda x, y: (y, x + y)), [a, b], [a, b], 2, 2)
    np.testing.assert_array_equal(logical(a, 2), values[1])
    np.testing.assert_array_equal(logical(b, 2), values[0] + values[1])


def test_a_view_of_the_same_storage_is_the_same_storage() -> None:
    kind = TensorType((100,))
    a = operand(kind, np.ones((1, 100), np.float32), 1)
    launch = build_elementwise(request("elementwise", RELU, [a], [Operand(kind, a.array[:])], 1))
    same_bits(launch, [a], [a], 1)
    assert "a1" not in source(RELU.expressions(1), Roles((0,), (0,), frozenset()))


def adam(w: Any, m: Any, v: Any, g: Any, rate: Any, step: Any) -> tuple[e.Expression, ...]:
    new_m, new_v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    first, second = (1.0 - e.exp(step * math.log(beta)) for beta in (0.9, 0.999))
    return w - rate / first * new_m / (e.sqrt(new_v / second) + 1e-8), new_m, new_v


@pytest.mark.parametrize("step", [1, 1000])
def test_an_optimiser_step_with_run_time_scalars(step: int) -> None:
    kind = TensorType((3, 3, 40), batched=False)
    rng = np.random.default_rng(3)
    values = [rng.normal(size=kind.shape).astype(np.float32) for _ in range(4)]
    values[2] = np.abs(values[2])
    states = [operand(kind, each, 1) for each in values]
    scalars = [operand(scalar(), [0.01], 1), operand(scalar("int32"), [step], 1)]
    op = Op(adam)
    exact = {f"x{at}": each.astype(np.float64) for at, each in enumerate(values)} | {"x4": np.float64(np.float32(0.01))}
    want = [e.evaluate(each, exact | {"x5": float(step)}, np) for each in op.expressions(6)]
    run_elementwise(op, [*states, *scalars], states[:3], 1, 1)
    for got, each in zip(states, want, strict=False):
        close(logical(got), each)


def test_scalars_are_computed_ahead_of_the_loop_and_in_float64() -> None:
    text = source(Op(adam).expressions(6), Roles((0, 1, 2, 3, 4, 5), (0, 1, 2), frozenset({4, 5})))
    ahead, loop = text.split("for part in prange")
    assert "math.exp" in ahead
    assert "exp(" not in loop
    shrink = Op(lambda rate, step: (rate * e.exp(step * -0.5), e.where(step > 2, 1.0, rate)))
    outputs = [empty(scalar(), 1), empty(scalar(), 1)]
    inputs = [operand(scalar(), [0.5], 1), operand(scalar("int32"), [3], 1)]
    run_elementwise(shrink, inputs, outputs, 1, 1)
    assert [each.array[0] for each in outputs] == [np.float32(0.5 * math.exp(-1.5)), np.float32(1.0)]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_other_types_enter_as_float32(dtype: Any) -> None:
    kind, x = tensor((4, 5, 3), dtype), np.random.default_rng(4).integers(0, 2, (1, 4, 5, 3)).astype(dtype)
    y = empty(tensor((4, 5, 3)), 1)
    run_elementwise(Op(lambda a: (a / 2.0 - 1.0,)), [operand(kind, x, 1)], [y], 1, 1)
    np.testing.assert_array_equal(logical(y, 1), x.astype(np.float32) / 2 - 1)


def test_operands_that_do_not_fit_are_refused() -> None:
    x = empty(tensor((4, 3)), 1)
    with pytest.raises(ValueError, match="one shape and layout"):
        build_elementwise(request("elementwise", RELU, [x], [empty(x.type.plain(), 1)], 1))
    with pytest.raises(ValueError, match="1 expressions for 2 outputs"):
        build_elementwise(request("elementwise", RELU, [x], [x, x], 1))
    half = Operand(TensorType((4,), "bfloat16"), np.zeros(4, np.uint16))
    with pytest.raises(ValueError, match="bfloat16"):
        build_elementwise(request("elementwise", RELU, [half], [half], 1))


def test_generated_modules_are_written_once_and_mended(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    made = module("netspec_test_module", "value = 1\n")
    assert made.value == 1
    assert module("netspec_test_module", "value = 1\n") is made
    (path,) = (tmp_path / "generated").glob("*.py")
    written = path.stat().st_mtime_ns
    monkeypatch.delitem(__import__("sys").modules, made.__name__)
    assert module("netspec_test_module", "value = 1\n") is not made
    assert path.stat().st_mtime_ns == written
    path.write_text("value = 2\n")
    monkeypatch.delitem(__import__("sys").modules, made.__name__)
    assert module("netspec_test_module", "value = 1\n").value == 1
    assert [each.name for each in (tmp_path / "generated").iterdir() if each.suffix == ".tmp"] == []


def test_source_is_deterministic_and_says_what_it_computes() -> None:
    roles = Roles((0, 1), (2,), frozenset())
    text = source(SWISH_GRADIENT.expressions(2), roles)
    assert text == source(SWISH_GRADIENT.expressions(2), roles)
    assert str(SWISH_GRADIENT.expressions(2)[0]) in text
    assert text.count("= exp(") == 1


def over_range(function: Any) -> Callable[[Any], Any]:
    @njit(error_model="numpy")
    def each(x: Any, y: Any) -> None:
        for i in range(x.size):
            store(y, i, function(load(x, i)))

    def run(x: Any) -> Any:
        y = np.empty_like(x)
        each(x, y)
        return y

    return run


@pytest.mark.parametrize(
    ("name", "exact", "units"),
    [("exp", np.exp, 2), ("log", np.log, 2), ("tanh", np.tanh, 3), ("erf", np.vectorize(math.erf), 4)],
)
def test_functions_over_the_whole_range(name: str, exact: Callable[[Any], Any], units: int) -> None:
    """Errors in units of the last place of float32, at random bit patterns and at the edges."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, 60_000, np.uint64).astype(np.uint32).view(np.float32)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 88.72283, 88.72284, -87.4, -103.9, -104.1, 0.625, 1e-45, 4.0]
    spread = [rng.uniform(-reach, reach, 40_000).astype(np.float32) for reach in (1.0, 5.0, 110.0)]
    x = np.concatenate([bits, np.float32(edges), *spread])
    with np.errstate(all="ignore"):
        want = exact(x.astype(np.float64))
        rounded = want.astype(np.float32)
    got = over_range(getattr(functions, name))(x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    real = np.isfinite(rounded) & np.isfinite(got)
    unequal = ~real & ~np.isnan(got) & (got != rounded)
    # exp may overflow one number early or late, where its own error crosses the border.
    assert not unequal.any() or (name == "exp" and np.all(np.abs(x[unequal] - 88.722835) < 1e-4))
    unit = np.spacing(np.maximum(np.abs(rounded[real]), np.float32(1e-45)))
    assert (np.abs(got[real] - want[real]) / unit).max() <= units
    assert (np.signbit(got) == np.signbit(rounded))[~np.isnan(got)].all()


def test_exp_of_lanes_has_the_bits_of_exp() -> None:
    @njit(error_model="numpy")
    def each(x: Any, y: Any) -> None:
        for at in range(0, x.size, LANES):
            store_lanes(y, at, functions.exp_lanes(load_lanes(x, at)))

    rng = np.random.default_rng(6)
    bits = rng.integers(0, 2**32, 4096 * LANES, np.uint64).astype(np.uint32).view(np.float32)
    x = np.where(bits == bits, bits, np.float32(np.nan)) * np.float32(1.0)
    x[: x.size // 2] = rng.uniform(-110, 95, x.size // 2)
    y = np.empty_like(x)
    each(x, y)
    np.testing.assert_array_equal(y, over_range(functions.exp)(x))


def test_maximum_and_minimum_pass_nan_on() -> None:
    values = [math.nan, -math.inf, -1.0, 0.0, math.inf]
    larger, smaller = njit(lambda a, b: functions.maximum(a, b)), njit(lambda a, b: functions.minimum(a, b))
    for a in values:
        for b in values:
            np.testing.assert_equal(larger(a, b), float(np.maximum(a, b)))
            np.testing.assert_equal(smaller(a, b), float(np.minimum(a, b)))


def test_attributes_need_nothing_but_expressions() -> None:
    attrs = SimpleNamespace(expressions=lambda count: (e.inputs(count)[0] + 1.0,))
    kind = TensorType((3,))
    y = empty(kind, 1)
    build_elementwise(request("elementwise", attrs, [operand(kind, np.zeros((1, 3)), 1)], [y], 1))(1)
    np.testing.assert_array_equal(logical(y, 1), np.ones((1, 3)))
