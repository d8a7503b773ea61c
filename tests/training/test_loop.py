"""The loop, on a backend that only notes what it is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.data.batches import epoch_order
from netspec.data.dataset import Part
from netspec.declarations.schedules import Plateau
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import evaluate, per_class, predict
from netspec.training.loop import MOST_SKIPPED_IN_A_ROW, run_epochs
from netspec.training.position import Position, Underway
from netspec.training.progress import EpochResult, Silence
from netspec.training.runtime import Runtime

MakeRuntime = Callable[..., Runtime]
MakePart = Callable[[int], Part]


def train(runtime: Runtime, part: Part, validation: Part, **more: Any) -> list[EpochResult]:
    ticks = iter(range(1000))
    return list(run_epochs(runtime, part, validation, Silence(), runtime.recipe.epochs, clock=ticks.__next__, **more))


def test_the_smaller_last_batch_is_trained_too(backend: Any, make_runtime: MakeRuntime, make_part: MakePart) -> None:
    results = train(make_runtime(), make_part(10), make_part(0))
    assert [call.samples for call in backend.steps()] == [4, 4, 2, 4, 4, 2]
    assert [(r.epoch, r.step, r.samples) for r in results] == [(1, 3, 10), (2, 6, 10)]
    # The clock is read when an epoch begins, before and after the wait for each batch, after each step, and at last
    # when there is no batch left.
    assert [(r.seconds, r.waited) for r in results] == [(9, 3), (9, 3)]
    assert all(result.validation is None for result in results)


def test_every_sample_is_seen_once_an_epoch_in_the_keyed_order(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    part = make_part(10)
    train(make_runtime(), part, make_part(0))
    for epoch, calls in enumerate((backend.steps()[:3], backend.steps()[3:])):
        order = epoch_order(10, 7, epoch)
        images, labels = (np.concatenate([call.inputs[name] for call in calls]) for name in ("input", "target"))
        assert np.array_equal(images, part["image"][order])
        assert np.array_equal(labels, part["label"][order])


def test_scalars_follow_the_schedule_and_steps_count_from_one(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    train(make_runtime(), make_part(8), make_part(0))
    assert [call.scalars for call in backend.steps()] == [
        {"learning_rate": rate, "step": step, "seed": 7} for step, rate in ((1, 0.5), (2, 0.5), (3, 0.25), (4, 0.25))
    ]


def test_a_step_is_forward_and_backward_then_update_without_feeding_again(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    train(make_runtime(epochs=1), make_part(4), make_part(0))
    first, second = backend.calls
    assert first.regions == ("forward", "backward")
    assert (second.regions, second.inputs, second.scalars, second.samples) == (("update",), {}, {}, 4)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_leaves_the_state_untouched(
    loss: float, backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    backend.losses = [1.0, 1.0, 1.0, loss]
    runtime = make_runtime()
    before = {name: runtime.state.read(name) for name in runtime.state.names()}
    with pytest.raises(RunError, match=rf"NS903.*the loss became {loss} at step 4 \(epoch 2, learning rate 0\.25\)"):
        train(runtime, make_part(12), make_part(0))
    assert backend.calls[-1].regions == ("forward", "backward")
    for name, array in before.items():
        assert np.array_equal(runtime.state.read(name), array + 1 + 1 + 1)  # the three updates before


def test_a_gradient_that_is_not_finite_leaves_the_state_untouched(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    backend.gradients_finite = False
    runtime = make_runtime()
    before = {name: runtime.state.read(name) for name in runtime.state.names()}
    with pytest.raises(RunError, match=r"NS903.*a gradient became infinite or NaN at step 1 \(epoch 1"):
        train(runtime, make_part(12), make_part(0))
    assert backend.calls[-1].regions == ("forward", "backward")
    for name, array in before.items():
        assert np.array_equal(runtime.state.read(name), array)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "gradient"])
def test_a_step_that_is_not_finite_is_left_out_where_that_is_wanted(
    bad: Any, backend: Any, make_runtime: MakeRuntime, make_part: MakePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = make_runtime(on_nan="skip")
    before = {name: runtime.state.read(name) for name in runtime.state.names()}
    second, sixth = (7.0, 7.0) if bad == "gradient" else (bad, bad)
    backend.losses = [1.0, second, 3.0, 1.0, 1.0, sixth]
    if bad == "gradient":
        finite = property(lambda self: len(self.steps()) not in (2, 6), lambda self, value: None)
        monkeypatch.setattr(type(backend), "gradients_finite", finite)
    positions: list[Position] = []
    results = train(runtime, make_part(10), make_part(0), after_step=positions.append)
    assert [(r.skipped, r.skipped_in_a_row, r.step) for r in results] == [(1, 0, 3), (1, 1, 6)]
    assert [p.skipped_in_a_row for p in positions] == [0, 1, 0, 0, 0, 1]
    assert results[0].train.loss == (1.0 * 4 + 3.0 * 2) / 6  # of the batches that were learnt
    for name, array in before.items():
        assert np.array_equal(runtime.state.read(name), array + 1 + 1 + 1 + 1)
    assert sum(call.regions == ("update",) for call in backend.calls) == 4


def test_too_many_skipped_steps_in_a_row_end_the_run(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    nan = float("nan")
    backend.losses = [1.0, nan, nan, nan]
    with pytest.raises(RunError, match=r"NS914.*3 steps in a row were skipped.*the loss became nan at step 4 \(epoch"):
        train(make_runtime(on_nan="skip"), make_part(10), make_part(0))
    backend.losses = [nan, 1.0, nan] * 2
    assert len(train(make_runtime(on_nan="skip"), make_part(10), make_part(0))) == 2
    backend.losses = [1.0] * 8 + [nan] * MOST_SKIPPED_IN_A_ROW
    with pytest.raises(RunError, match=rf"NS914.* {MOST_SKIPPED_IN_A_ROW} steps in a row"):
        train(make_runtime(on_nan="skip"), make_part(80), make_part(0))
    begin = Position(0, 2, Underway(2, 0.0, {"loss": 1.0, "samples": 1, "metrics": {}}), skipped_in_a_row=2)
    backend.losses = [nan]
    with pytest.raises(RunError, match=r"NS914.* 3 steps in a row"):  # of which two were before the interruption
        train(make_runtime(on_nan="skip", metrics=()), make_part(10), make_part(0), begin=begin)


def test_losses_are_means_over_samples_not_batches(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    backend.losses = [1.0, 4.0]
    (result,) = train(make_runtime(epochs=1), make_part(6), make_part(0))
    assert result.train.loss == (1.0 * 4 + 4.0 * 2) / 6
    assert result.train.metrics == {"accuracy": 2 / 6}  # class 0 is always answered


def test_validation_is_scored_after_each_epoch_and_never_trained_on(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    results = train(make_runtime(), make_part(4), make_part(5))
    assert [(call.mode, call.samples) for call in backend.calls if "forward" in call.regions] == [
        *[("train", 4), ("infer", 4), ("infer", 1)] * 2
    ]
    assert all(result.validation is not None and result.validation.metrics == {"accuracy": 2 / 5} for result in results)


def test_plateau_goes_by_the_losses_on_the_validation_part(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    backend.losses = [9.0, 1.0, 9.0, 2.0, 9.0, 0.5, 9.0, 0.5]  # one step and one validation an epoch, in turn
    runtime = make_runtime(epochs=4, lr=Plateau(start=1.0, factor=0.5, patience=0))
    results = train(runtime, make_part(4), make_part(3))
    assert [call.scalars["learning_rate"] for call in backend.steps()] == [1.0, 1.0, 0.5, 0.5]
    assert [result.rate for result in results] == [1.0, 1.0, 0.5, 0.5]


def test_plateau_without_a_validation_part_is_refused(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    with pytest.raises(RunError, match=r"NS505.*'plateau'"):
        train(make_runtime(lr=Plateau(start=1.0)), make_part(4), make_part(0))


def test_a_second_course_counts_on_and_begins_its_schedule_anew(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    part = make_part(8)
    results = train(make_runtime(epochs=1), part, make_part(0), origin=Position(epoch=3, step=6))
    assert (results[0].epoch, results[0].step) == (4, 8)
    assert [(c.scalars["step"], c.scalars["learning_rate"]) for c in backend.steps()] == [(7, 0.5), (8, 0.5)]
    assert np.array_equal(backend.steps()[0].inputs["target"], part["label"][epoch_order(8, 7, 3)[:4]])


def test_a_network_made_for_inference_is_not_trained(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    runtime = make_runtime(trains=False)
    assert not runtime.moments
    with pytest.raises(RunError, match="compiled for inference"):
        train(runtime, make_part(4), make_part(0))


def test_evaluation_counts_what_was_taken_for_what(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    evaluation = evaluate(make_runtime(), make_part(10))
    assert evaluation.samples == 10
    assert evaluation.scores.document() == {"loss": 1.0, "accuracy": 0.4}
    assert evaluation.confusion["main"].tolist() == [[4, 0, 0], [3, 0, 0], [3, 0, 0]]
    assert per_class(evaluation.confusion["main"], "abc") == [
        {"class": "a", "samples": 4, "recall": 1.0, "precision": 0.4},
        {"class": "b", "samples": 3, "recall": 0.0, "precision": None},
        {"class": "c", "samples": 3, "recall": 0.0, "precision": None},
    ]


def test_prediction_cuts_what_is_larger_than_a_batch(
    backend: Any, make_runtime: MakeRuntime, make_part: MakePart
) -> None:
    assert predict(make_runtime(), make_part(10).inputs)["main"].shape[1] == 3
    assert [call.samples for call in backend.calls] == [4, 4, 2]
