"""Products on tensor cores, and tensors stored as bfloat16: within bounds that follow from their rounding, and close
enough to train with."""

from __future__ import annotations

from typing import Any

import pytest
from test_training import SMALL_RESNET, numbers

import netspec
from netspec.analysis.memory import plan_for, planned_bytes
from netspec.core.reference import UNIT_ROUNDOFF, Case
from netspec.core.verify import verify
from netspec.diagnostics import RunError
from netspec.plan import Plan, make_plan
from netspec.target import Precision
from netspec.testing import Trial, all_cases, check_trial, inference_trial, network_trials, training_trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice

PRECISIONS: tuple[Precision, ...] = ("tf32", "bfloat16")
OPS = ("conv", "conv_transpose", "dense")
RATE = 1e-4
"""So small that the steps taken do not drive apart what began alike."""
CASES = [case for case in all_cases() if case.attrs.declaration.name in OPS]


def check(backend: CupyBackend, case: Case, precision: Precision) -> list[str]:
    trials = inference_trial(case), training_trial(case)
    return [complaint for trial in trials for complaint in check_trial(backend, trial, precision=precision)]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_rounded_kernels_keep_their_bounds(host_backend: CupyBackend, case: Case, precision: Precision) -> None:
    assert check(host_backend, case, precision) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", [case for place, case in enumerate(CASES) if place % 4], ids=str)
def test_the_other_cases_too(host_backend: CupyBackend, case: Case, precision: Precision) -> None:
    assert check(host_backend, case, precision) == []


STORED = [case for case in all_cases() if case.attrs.declaration.name not in OPS]


@pytest.mark.parametrize("case", STORED[::5], ids=str)
def test_what_is_stored_as_bfloat16_is_off_by_its_rounding(host_backend: CupyBackend, case: Case) -> None:
    assert check(host_backend, case, "bfloat16") == []


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for place, case in enumerate(STORED) if place % 5], ids=str)
def test_so_is_what_the_other_cases_store(host_backend: CupyBackend, case: Case) -> None:
    assert check(host_backend, case, "bfloat16") == []


@pytest.mark.parametrize("trial", network_trials(), ids=str)
def test_so_is_what_networks_store(host_backend: CupyBackend, trial: Trial) -> None:
    assert check_trial(host_backend, trial, precision="bfloat16") == []


def steps_of(network: Any, precision: Precision, batch: int) -> Plan:
    spec = netspec.load(network, f"train.precision={precision}")
    return plan_for(spec, CupyBackend(HostDevice(capability=90)).target(1), batch, "train", precision)


def test_what_networks_keep_takes_half_of_the_memory() -> None:
    """All but the logits and their gradient, and the weights' own copies: they are rounded once a step."""
    narrow, exact = (steps_of("zoo:resnet18", precision, 128) for precision in ("bfloat16", "float32"))
    wide = [v for node in narrow.graph for v in node.outputs if v.type.batched and v.type.dtype == "float32"]
    assert {(v.type.shape, v.name) for v in wide} == {((1000,), "dense"), ((1000,), "loss:cross_entropy.dx")}
    weights = sum(2 * slot.value.type.elements for slot in narrow.graph.slots if slot.name.endswith("weight"))
    assert narrow.arena_bytes < 0.51 * exact.arena_bytes + weights
    assert narrow.state_bytes == exact.state_bytes


def test_a_graph_that_is_planned_again_takes_as_much() -> None:
    """How NS902 finds the largest batch that fits."""
    plan = steps_of("zoo:resnet20", "bfloat16", 64)
    target = CupyBackend(HostDevice(capability=90)).target(1)
    again = make_plan(plan.graph, target, plan.batch, plan.mode, precision="bfloat16")
    assert (again.arena_bytes, len(again.steps)) == (plan.arena_bytes, len(plan.steps))


def test_the_figures_of_memory_know_of_it() -> None:
    target = CupyBackend(HostDevice(capability=90)).target(1)
    narrow, exact = (
        planned_bytes(netspec.load("zoo:resnet20", f"train.precision={precision}"), target, 64)
        for precision in ("bfloat16", "float32")
    )
    assert all(narrow[name] < 0.6 * exact[name] for name in exact)


def test_state_and_what_has_no_batch_stay_in_float32() -> None:
    graph = steps_of(SMALL_RESNET, "bfloat16", 4).graph
    verify(graph)
    rounded = {
        node.op.name for node in graph for v in node.outputs if not v.type.batched and v.type.dtype == "bfloat16"
    }
    assert rounded == {"storage.convert"}
    assert {slot.value.type.dtype for slot in graph.slots} == {"float32"}


def test_weights_are_rounded_by_one_launch() -> None:
    trial = steps_of(SMALL_RESNET, "bfloat16", 4)
    count = 0
    for step in trial.steps:
        if step.node.op.name != "storage.convert" or step.node.inputs[0].role != "state":
            break
        count += 1
    assert count == 5


def chosen(case: Case, precision: Precision) -> set[str]:
    trial = training_trial(case)
    plan = make_plan(trial.graph, CupyBackend(HostDevice()).target(1), trial.batch, trial.mode, precision=precision)
    return {step.algorithm for step in plan.steps if step.node.op.name.startswith(OPS)}


def test_convolutions_and_dense_layers_are_rounded_and_nothing_else() -> None:
    assert {name for case in CASES if case.attrs.declaration.name != "conv" for name in chosen(case, "tf32")} == {
        "tf32"
    }
    assert not {name for case in CASES for name in chosen(case, "float32")} & {"tf32", "bfloat16"}
    narrow = [case for case in CASES if "direct" in chosen(case, "bfloat16")]
    assert narrow
    assert all(case.attrs.groups > 1 for case in narrow)


def losses(network: Any, precision: Precision, backend: CupyBackend, batch: int, steps: int) -> list[float]:
    spec = netspec.load(network, f"train.precision={precision}")
    images, labels = numbers(spec, batch)
    model = spec.compile(batch=batch, backend=backend)
    return [model.step(images, labels, rate=RATE)["loss"] for _ in range(steps)]


def assert_close(network: Any, precision: Precision, backend: CupyBackend, batch: int, steps: int) -> None:
    """Each layer rounds numbers that are off to either side, and their mean, the loss, hardly moves: two units."""
    exact = losses(network, "float32", backend, batch, steps)
    found = losses(network, precision, backend, batch, steps)
    assert found != exact
    assert found == pytest.approx(exact, rel=2 * UNIT_ROUNDOFF[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("network", ["zoo:lenet5", SMALL_RESNET], ids=["lenet5", "small residual network"])
def test_losses_are_close_to_those_in_float32(network: Any, precision: Precision, host_backend: CupyBackend) -> None:
    assert_close(network, precision, host_backend, 4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_resnet20_too(precision: Precision, host_backend: CupyBackend) -> None:
    assert_close("zoo:resnet20", precision, host_backend, 2, 2)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_processor_refuses_and_says_the_way_out(precision: Precision) -> None:
    with pytest.raises(RunError, match=f"'numba' computes in float32 alone, not in {precision}") as caught:
        losses("zoo:lenet5", precision, "numba", 2, 1)  # type: ignore[arg-type]  # a backend by its name
    assert "--set train.precision=float32" in str(caught.value)


def test_a_gpu_without_such_tensor_cores_is_refused() -> None:
    turing = CupyBackend(HostDevice(capability=75, name="a Turing"))
    with pytest.raises(RunError, match=r"a Turing has compute capability 7.5; bfloat16 needs tensor cores of 8.0"):
        losses(SMALL_RESNET, "bfloat16", turing, 2, 1)
