"""The kit itself: what is sound passes, and every kind of fault is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.expression import Expression
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.loss_nodes import CrossEntropyNode
from netspec.declarations.ops.normalization import BatchNorm
from netspec.testing import all_cases, check_case, check_gradients, check_trial, interpret, network_trials
from netspec.testing.trials import spread, training_trial

Array = np.ndarray[Any, np.dtype[Any]]
Outputs = tuple[Array, ...]
MakeBackend = Callable[..., Any]

CONV = Case(Conv(filters=4, kernel=3, padding="same"), (TensorType((5, 4, 3)),))
DENSE = Case(Dense(units=3), (TensorType((5,)),))
NORM = Case(BatchNorm(), (TensorType((5, 3)),))
LOSS = Case(CrossEntropyNode(), (TensorType((4,)), TensorType((), "int32")), integers=4)


@pytest.fixture
def wrong_square() -> Iterator[type[Any]]:
    """An op whose gradient forgets the 2, known while the test runs."""

    @op("test.wrong_square", public=False, doc="x².")
    class WrongSquare:
        def infer(self, *inputs: TensorType) -> TensorType:
            return inputs[0]

        def expressions(self, inputs: int) -> tuple[Expression, ...]:
            product = variables(1)[0] * variables(inputs)[-1]
            return (product,)

        def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
            return (g.add(self, node.inputs[0], dy),)

    yield WrongSquare
    del REGISTRIES["op"].entries["test.wrong_square"]


def test_definitions_conform(definition_backend: MakeBackend) -> None:
    for case in all_cases()[::7]:
        assert check_case(definition_backend(), case) == []


def test_networks_conform(definition_backend: MakeBackend) -> None:
    for trial in network_trials():
        assert check_trial(definition_backend(), trial) == []


def test_a_wrong_gradient_is_told(wrong_square: type[Any]) -> None:
    (complaint, *_) = check_gradients(Case(wrong_square(), (TensorType((3,)),)))
    assert complaint.startswith("gradient of x0 at [0 0]: ")


def test_a_value_slightly_off_is_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(y * (1 + 1e-5) for y in outputs) if node.op.name == "conv.dw" else outputs

    complaints = check_case(definition_backend(fault), CONV)
    assert complaints
    assert all(line.startswith("conv.dw, ") for line in complaints)


def test_one_wrong_number_is_told_with_its_place(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        if node.op.name == "dense":
            outputs[0][0, 2] += 0.5
        return outputs

    (complaint, *_) = check_case(definition_backend(fault), DENSE)
    assert complaint.startswith("dense, 1 samples: 1 of 3 numbers are off, worst at [0, 2]: ")


def test_a_mean_over_the_planned_batch_is_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return (outputs[0] * samples / 3, *outputs[1:]) if node.op.name == "cross_entropy" else outputs

    complaints = check_case(definition_backend(fault), LOSS)
    assert any(line.startswith("cross_entropy (output 1), 1 samples") for line in complaints)
    assert not any("3 samples" in line for line in complaints)


def test_results_that_depend_on_threads_are_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(y + threads * 1e-9 for y in outputs)

    assert any("with one thread" in line for line in check_case(definition_backend(fault), DENSE))


def test_results_that_change_from_run_to_run_are_told(definition_backend: MakeBackend) -> None:
    runs = iter(range(10_000))

    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(y * (1 + next(runs) * 1e-6) for y in outputs)

    assert any("when run a second time" in line for line in check_case(definition_backend(fault), DENSE))


def test_a_leak_from_unused_rows_is_told(definition_backend: MakeBackend) -> None:
    last_row: dict[str, Array] = {}

    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        (y, *rest) = outputs
        if node.outputs[0].type.batched and samples == 3:
            last_row[node.op.name] = y[2]
        if node.outputs[0].type.batched and samples == 2 and node.op.name in last_row:
            y = y + 0.0 * last_row[node.op.name]
        return (y, *rest)

    assert any("after a run on NaN" in line for line in check_case(definition_backend(fault), DENSE))


def test_a_swallowed_nan_is_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(np.nan_to_num(y) for y in outputs)

    assert any("is finite" in line and "with nan" in line for line in check_case(definition_backend(fault), CONV))


def test_a_swallowed_infinity_is_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(np.where(np.isinf(y), 0.0, y) for y in outputs)

    assert any("is finite" in line and "with inf" in line for line in check_case(definition_backend(fault), CONV))


def test_a_nan_that_reaches_another_sample_is_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return tuple(y + 0 * y.sum() for y in outputs)

    assert any("y is not finite at [1, " in line for line in check_case(definition_backend(fault), DENSE))


def test_wrong_moving_statistics_are_told(definition_backend: MakeBackend) -> None:
    def fault(node: Node, outputs: Outputs, samples: int, threads: int) -> Outputs:
        return outputs[::-1] if node.op.name == "batch_norm.moving" else outputs

    complaints = check_case(definition_backend(fault), NORM)
    assert any(line.startswith("batch_norm.moving (output 1)") for line in complaints)


@pytest.mark.parametrize("module", ["netspec.declarations.ops.dense", "netspec.no_such_module"])
def test_an_op_without_definition_is_named(module: str) -> None:
    trial = training_trial(DENSE, loss=True)
    declaration = replace(trial.graph.nodes[0].op, name="no_such_op", module=module)
    attrs = type("Unknown", (), {"declaration": declaration})()
    graph = replace(trial.graph, nodes=(replace(trial.graph.nodes[0], attrs=attrs),))
    with pytest.raises(LookupError, match="no_such_op"):
        interpret(graph, trial.inputs, 3, trial.state, trial.scalars)


@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_numbers_are_apart_from_each_other_and_from_zero(count: int) -> None:
    numbers = np.sort(spread("x", (count,)))
    gap = 4 / count
    assert np.diff(numbers).min(initial=np.inf) > gap * 0.99  # evenly spaced, up to float32
    assert np.abs(numbers).min() > gap * 0.24
    assert np.abs(numbers).max() <= 2
