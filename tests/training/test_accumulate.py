"""Updates of several batches, and averages of weights, on the kernels: they are what the textbook says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.verify import verify
from netspec.data.batches import epoch_order
from netspec.passes.step import training_step
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.accumulate import Turn, Turns

NET = """\
netspec: 1
input: [6, 6, 2]
layers: [{{conv: {{filters: 4, kernel: 3}}}}, {norm}relu, flatten, {{dense: 3}}]
train: {{lr: 0.05, epochs: 2, seed: 3, batch: {batch}{more}}}
"""
ROUNDING = {"rtol": 2e-5, "atol": 2e-6}
"""Sums of float32 numbers that are cut at other places differ in their last bits, which a few updates carry on."""

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(40, 6, 6, 2)).astype(np.float32)
LABELS = rng.integers(0, 3, 40)


def model(batch: int, more: str = "", norm: str = "") -> Any:
    return netspec.load(NET.format(batch=batch, more=more, norm=norm)).compile(threads=1)


def trained(batch: int, more: str = "", norm: str = "", **fitting: Any) -> Any:
    found = model(batch, more, norm)
    found.fit(IMAGES, LABELS, **fitting)
    return found


def test_turns_of_an_epoch_whose_last_batch_and_last_update_are_smaller() -> None:
    turns = Turns(samples=22, size=4, together=4)  # batches of 4 4 4 4, and of 4 2
    assert turns.per_epoch == 2
    assert [turns.at(0, batch) for batch in (0, 1, 2, 3)] == [
        Turn(1, 0.25, True, False),
        Turn(1, 0.25, False, False),
        Turn(1, 0.25, False, False),
        Turn(1, 0.25, False, True),
    ]
    assert [turns.at(0, batch) for batch in (4, 5)] == [Turn(2, 4 / 6, True, False), Turn(2, 2 / 6, False, True)]
    assert [turns.at(1, batch).update for batch in (0, 4)] == [3, 4]
    assert Turns(samples=9, size=4, together=1).at(2, 1) == Turn(8)


@pytest.mark.parametrize(
    "optimizer",
    ["{sgd: {momentum: 0.9, nesterov: true, weight_decay: 0.01}}", "adam", "{sgd: {clip_norm: 0.1, clip_value: 0.05}}"],
)
def test_several_batches_are_one_large_one(optimizer: str) -> None:
    """40 samples: updates of 24 and of 16, whole or cut into eights."""
    large = trained(24, f", optimizer: {optimizer}")
    summed = trained(8, f", optimizer: {optimizer}, accumulate: 3")
    alone = trained(8, f", optimizer: {optimizer}")
    for name, array in large.weights.items():
        np.testing.assert_allclose(summed.weights[name], array, **ROUNDING, err_msg=name)
    assert not np.allclose(alone.weights["dense.weight"], large.weights["dense.weight"], rtol=1e-3)


def test_sums_are_the_same_to_the_bit_for_any_number_of_threads() -> None:
    found = []
    for threads in (1, 2):
        text = NET.format(batch=8, more=", accumulate: 3, average: 0.9", norm="batch_norm, ")
        network = netspec.load(text).compile(threads=threads)
        network.fit(IMAGES, LABELS)
        found.append({name: array.tobytes() for name, array in network.weights.items()})
    assert found[0] == found[1]


def test_batch_norm_takes_the_statistics_of_each_batch_and_moves_its_own_once_by_their_mean() -> None:
    """So a network with batch norm is not quite that of one large batch, though its moving mean is."""
    found = model(8, ", accumulate: 3", "batch_norm, ")
    start = dict(found.weights)
    found.fit(IMAGES[:24], LABELS[:24], epochs=1)
    large = model(24, "", "batch_norm, ")
    large.fit(IMAGES[:24], LABELS[:24], epochs=1)
    np.testing.assert_allclose(
        found.weights["batch_norm.moving_mean"], large.weights["batch_norm.moving_mean"], rtol=1e-4, atol=1e-7
    )  # sums of 384 float32 numbers that cancel

    windows = np.lib.stride_tricks.sliding_window_view(IMAGES[:24].astype(np.float64), (3, 3), axis=(1, 2))
    made = np.einsum("nhwcij,ijck->nhwk", windows, start["conv.weight"].astype(np.float64))
    batches = made[epoch_order(24, 3, 0)].reshape(3, -1, 4)
    variance = 0.9 + 0.1 * batches.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(found.weights["batch_norm.moving_variance"], variance, rtol=1e-5)
    assert not np.allclose(large.weights["batch_norm.moving_variance"], variance, rtol=1e-5)
    assert not np.allclose(found.weights["conv.weight"], large.weights["conv.weight"], rtol=1e-4)


def test_variances_of_batches_of_two_sizes_are_made_unbiased_each_by_its_own() -> None:
    found = model(8, ", accumulate: 3", "batch_norm, ")
    start = dict(found.weights)
    found.fit(IMAGES[:20], LABELS[:20], epochs=1)
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES[:20].astype(np.float64), (3, 3), axis=(1, 2))
    made = np.einsum("nhwcij,ijck->nhwk", windows, start["conv.weight"].astype(np.float64))[epoch_order(20, 3, 0)]
    pieces = [made[:8], made[8:16], made[16:]]
    mean = sum(len(piece) / 20 * piece.reshape(-1, 4).var(axis=0, ddof=1) for piece in pieces)
    np.testing.assert_allclose(found.weights["batch_norm.moving_variance"], 0.9 + 0.1 * mean, rtol=1e-5)
    with_last = sum(len(piece) / 20 * piece.reshape(-1, 4).var(axis=0) for piece in pieces) * 64 / 63
    assert not np.allclose(mean, with_last, rtol=1e-3)


def test_a_step_by_hand_is_an_update_of_its_own() -> None:
    summed, alone = model(8, ", accumulate: 3"), model(8)
    for network in (summed, alone):
        network.step(IMAGES[:8], LABELS[:8])
        network.step(IMAGES[8:16], LABELS[8:16])
    for name, array in alone.weights.items():
        np.testing.assert_allclose(summed.weights[name], array, **ROUNDING)


def test_the_average_is_that_of_the_weights_after_each_update() -> None:
    found = model(8, ", average: {decay: 0.5}", "batch_norm, ")
    states = []
    for begin in (0, 8, 16):
        found.step(IMAGES[begin : begin + 8], LABELS[begin : begin + 8])
        states.append(dict(found.weights))
    for name in ("conv.weight", "dense.bias", "batch_norm.moving_variance"):
        first, second, third = (state[name].astype(np.float64) for state in states)
        wanted = (0.25 * first + 0.5 * second + third) / 1.75
        averaged = found._runtime.state.read(f"{name}:average")
        np.testing.assert_allclose(averaged, wanted, rtol=1e-5, atol=1e-7)  # three roundings


def test_averaged_weights_are_scored_and_the_own_are_back_afterwards() -> None:
    plain = trained(8, validation=(IMAGES[:8], LABELS[:8]))
    found = model(8, ", average: 0.5")
    history = found.fit(IMAGES, LABELS, validation=(IMAGES[:8], LABELS[:8]))
    assert set(history[-1]["averaged"]) == {"loss", "metrics"}
    assert history[-1]["averaged"]["loss"] != history[-1]["validation"]["loss"]
    for name, array in plain.weights.items():  # to learn is not disturbed by what is made beside it
        assert np.array_equal(found.weights[name], array), name
    averages = dict(found.averaged_weights)
    found.weights.update(averages)
    assert found.evaluate(IMAGES[:8], LABELS[:8])["loss"] == pytest.approx(history[-1]["averaged"]["loss"], rel=1e-6)


def test_frozen_layers_have_no_sums_and_no_averages() -> None:
    text = NET.format(batch=8, more=", accumulate: 2, average: 0.9", norm="")
    spec = load_spec(Source("a.yaml", text.replace("kernel: 3}}", "kernel: 3}, freeze: true}")))
    graph = training_step(spec.graph, spec.recipe)
    verify(graph)
    assert {slot.name for slot in graph.slots if slot.kind == "moment"} == {
        f"dense.{name}:{kind}" for name in ("weight", "bias") for kind in ("velocity", "sum", "average")
    }


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("accumulate: 0", "NS109"),
        ("accumulate: 1.5", "NS102"),
        ("average: 1.5", "NS109"),
        ("early_stopping: 0", "NS109"),
        ("average: {decai: 0.9}", "NS101"),
    ],
)
def test_what_makes_no_sense_is_told_at_its_place(written: str, code: str) -> None:
    with pytest.raises(netspec.SpecError) as refused:
        netspec.load(NET.format(batch=8, more=f", {written}", norm=""))
    assert [(d.code, d.span.line) for d in refused.value.diagnostics] == [(code, 4)]


def test_the_resolved_spec_keeps_them() -> None:
    more = ", accumulate: 3, average: 0.9, early_stopping: {patience: 2, min_delta: 0.5}"
    spec = netspec.load(NET.format(batch=8, more=more, norm=""))
    again = netspec.load(spec.resolved)
    assert again.recipe == spec.recipe
    assert (again.recipe.accumulate, again.recipe.average.decay, again.recipe.early_stopping.patience) == (3, 0.9, 2)
