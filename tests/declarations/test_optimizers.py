"""Updates over several steps against the papers' algorithms, written out with the history of all gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.dense import Dense
from netspec.declarations.optimizers import Adadelta, Adagrad, Adam, AdamW, Rmsprop, Sgd
from netspec.declarations.recipe import Recipe
from netspec.passes.step import gradients, training_step
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]
Weights = dict[str, Array]

STEPS, RATE = 5, 0.1


def network() -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.path = "dense"
    head = g.layer(Dense(units=3), x).output
    return g.graph({"main": head}, {"main": head})


def batch() -> dict[str, Array]:
    generator = np.random.default_rng(1)
    return {"x": generator.normal(size=(6, 4)), "target": generator.integers(0, 3, 6)}


def start() -> Weights:
    generator = np.random.default_rng(2)
    return {"dense.weight": generator.normal(size=(4, 3)), "dense.bias": generator.normal(size=3)}


def trained(rule: Any) -> Weights:
    """The weights after some steps of the interpreted training step."""
    graph = training_step(network(), Recipe(optimizer=rule))
    state: Weights = {slot.name: np.zeros(slot.param.shape) for slot in graph.slots} | start()
    for step in range(STEPS):
        state = dict(interpret(graph, batch(), 6, state, {"learning_rate": RATE, "step": step + 1}).state)
    return {name: state[name] for name in start()}


def by_hand(update: Callable[[Array, list[Array]], Array]) -> Weights:
    """The same by ``update(weight, gradients so far)``."""
    graph = gradients(network(), Recipe())
    weights, history = start(), {name: [] for name in start()}
    for _ in range(STEPS):
        found = interpret(graph, batch(), 6, weights).outputs
        for name in weights:
            history[name].append(found[name])
        weights = {name: update(weights[name], history[name]) for name in weights}
    return weights


def velocity(momentum: float, gradients: list[Array]) -> Array:
    """Σᵢ μ^(t−i) gᵢ: the recurrence v ← μv + g, summed up."""
    return np.sum([momentum ** (len(gradients) - 1 - i) * g for i, g in enumerate(gradients)], axis=0)


def assert_same(first: Weights, second: Weights) -> None:
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-12)  # both float64, five steps


def test_plain_descent() -> None:
    assert_same(trained(Sgd()), by_hand(lambda w, g: w - RATE * g[-1]))


def test_momentum() -> None:
    assert_same(trained(Sgd(momentum=0.9)), by_hand(lambda w, g: w - RATE * velocity(0.9, g)))


def test_nesterov_looks_ahead() -> None:
    expected = by_hand(lambda w, g: w - RATE * (g[-1] + 0.9 * velocity(0.9, g)))
    assert_same(trained(Sgd(momentum=0.9, nesterov=True)), expected)


@pytest.mark.parametrize("beta1", [0.9, 0.0])
def test_adam(beta1: float) -> None:
    def update(w: Array, g: list[Array]) -> Array:
        t = len(g)
        mean = (1 - beta1) * velocity(beta1, g) / (1 - beta1**t)
        square = 0.001 * velocity(0.999, [each**2 for each in g]) / (1 - 0.999**t)
        return w - RATE * mean / (np.sqrt(square) + 1e-8)

    assert_same(trained(Adam(beta1=beta1)), by_hand(update))


def test_adamw_decays_the_weights_apart_from_the_gradient() -> None:
    def update(w: Array, g: list[Array]) -> Array:
        t = len(g)
        mean = 0.1 * velocity(0.9, g) / (1 - 0.9**t)
        square = 0.001 * velocity(0.999, [each**2 for each in g]) / (1 - 0.999**t)
        return w * (1 - RATE * 0.05) - RATE * mean / (np.sqrt(square) + 1e-8)

    assert_same(trained(AdamW(weight_decay=0.05)), by_hand(update))


def test_adamw_without_decay_is_adam() -> None:
    assert_same(trained(AdamW(weight_decay=0.0)), trained(Adam()))


def test_adagrad() -> None:
    expected = by_hand(lambda w, g: w - RATE * g[-1] / (np.sqrt(np.sum(np.square(g), axis=0)) + 1e-8))
    assert_same(trained(Adagrad()), expected)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_rmsprop(momentum: float) -> None:
    def update(w: Array, g: list[Array]) -> Array:
        squares = [0.1 * velocity(0.9, [each**2 for each in g[: t + 1]]) for t in range(len(g))]
        scaled = [each / (np.sqrt(square) + 1e-8) for each, square in zip(g, squares, strict=True)]
        return w - RATE * velocity(momentum, scaled)

    assert_same(trained(Rmsprop(momentum=momentum)), by_hand(update))


def test_adadelta() -> None:
    def update(w: Array, g: list[Array]) -> Array:
        steps: list[Array] = []
        for t in range(len(g)):
            square = 0.05 * velocity(0.95, [each**2 for each in g[: t + 1]])
            earlier = 0.05 * velocity(0.95, [each**2 for each in steps]) if steps else np.zeros_like(w)
            steps.append(np.sqrt((earlier + 1e-6) / (square + 1e-6)) * g[t])
        return w - RATE * steps[-1]

    assert_same(trained(Adadelta()), by_hand(update))


@pytest.mark.parametrize(
    "rule", [kind(weight_decay=0.01) for kind in (Sgd, Adam, Adagrad, Rmsprop, Adadelta)], ids=repr
)
def test_weight_decay_shrinks_the_weights(rule: Any) -> None:
    plain = trained(type(rule)())["dense.weight"]
    assert np.linalg.norm(trained(rule)["dense.weight"]) < np.linalg.norm(plain)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (Sgd(weight_decay=0.01), lambda g: g),
        (Adagrad(weight_decay=0.01), lambda g: g / (np.abs(g) + 1e-8)),
        (Rmsprop(weight_decay=0.01), lambda g: g / (np.sqrt(0.1) * np.abs(g) + 1e-8)),
        (Adadelta(weight_decay=0.01), lambda g: g * np.sqrt(1e-6 / (0.05 * g**2 + 1e-6))),
    ],
    ids=lambda given: repr(given) if hasattr(given, "declaration") else None,
)
def test_weight_decay_is_a_share_of_the_weight(rule: Any, change: Callable[[Array], Array]) -> None:
    weights = start()
    found = interpret(gradients(network(), Recipe()), batch(), 6, weights).outputs
    graph = training_step(network(), Recipe(optimizer=rule))
    state = {slot.name: np.zeros(slot.param.shape) for slot in graph.slots} | weights
    after = interpret(graph, batch(), 6, state, {"learning_rate": RATE, "step": 1}).state
    expected = {name: w - RATE * change(found[name] + 0.01 * w) for name, w in weights.items()}
    assert_same(expected, dict(after))


def test_moments_are_state_that_starts_at_zero() -> None:
    graph = training_step(network(), Recipe(optimizer=Adam()))
    moments = {slot.name: slot.param.initializer for slot in graph.slots if slot.kind == "moment"}
    assert set(moments) == {f"dense.{p}:{m}" for p in ("weight", "bias") for m in ("mean", "square")}
    assert set(moments.values()) == {"zeros"}


OPTIMIZERS = (Sgd, Adam, AdamW, Adagrad, Rmsprop, Adadelta)


def clipped_by_hand(value: float, norm: float) -> Weights:
    """Plain descent with momentum 0.5 on gradients that are clipped first."""
    graph = gradients(network(), Recipe())
    weights = start()
    velocities = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for _ in range(STEPS):
        found = interpret(graph, batch(), 6, weights).outputs
        cut = {name: np.clip(found[name], -value, value) for name in weights}
        length = np.sqrt(sum((gradient**2).sum() for gradient in cut.values()))
        shrink = norm / length if length > norm else 1.0
        for name in weights:
            velocities[name] = 0.5 * velocities[name] + cut[name] * shrink
            weights[name] = weights[name] - RATE * velocities[name]
    return weights


@pytest.mark.parametrize(("value", "norm"), [(0.05, None), (None, 0.2), (0.05, 0.1), (1e6, 1e6), (None, 1e6)], ids=str)
def test_gradients_are_clipped_before_the_rule_sees_them(value: float | None, norm: float | None) -> None:
    expected = clipped_by_hand(value or np.inf, norm or np.inf)
    assert_same(trained(Sgd(momentum=0.5, clip_value=value, clip_norm=norm)), expected)
    unclipped = trained(Sgd(momentum=0.5))
    if 1e6 in (value, norm):
        assert_same(unclipped, expected)
    else:
        assert not np.allclose(unclipped["dense.weight"], expected["dense.weight"])


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_rule_can_clip(kind: Any) -> None:
    names = [node.op.name for node in training_step(network(), Recipe(optimizer=kind(clip_value=1.0, clip_norm=2.0)))]
    assert (names.count("clip_value"), names.count("global_norm"), names.count("clip_norm")) == (2, 1, 2)
    assert not {"clip_value", "global_norm"} & {n.op.name for n in training_step(network(), Recipe(optimizer=kind()))}


def test_what_is_checked_for_infinities_is_not_clipped_yet() -> None:
    graph = training_step(network(), Recipe(optimizer=Sgd(clip_value=1.0)))
    (check,) = (node for node in graph if node.op.name == "all_finite")
    assert not {graph.producer()[value].op.name for value in check.inputs} & {"clip_value"}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_decay_on_weights_spares_biases(kind: Any) -> None:
    everything, weights, none = (
        trained(kind(weight_decay=decay, decay_on=on)) for decay, on in ((0.1, "all"), (0.1, "weights"), (0.0, "all"))
    )
    one_step = training_step(network(), Recipe(optimizer=kind(weight_decay=0.1, decay_on="weights")))
    shares = {n.path: n.attrs.weight_decay for n in one_step if n.op.name.startswith("update.")}
    assert shares == {"dense.weight": 0.1, "dense.bias": 0.0}
    assert not np.array_equal(weights["dense.weight"], none["dense.weight"])
    assert not np.array_equal(weights["dense.bias"], everything["dense.bias"])


def test_decay_on_weights_is_decay_of_the_weights_alone() -> None:
    graph = gradients(network(), Recipe())
    weights = start()
    for _ in range(STEPS):
        found = interpret(graph, batch(), 6, weights).outputs
        kernel = weights["dense.weight"]
        weights = {
            "dense.weight": kernel - RATE * (found["dense.weight"] + 0.1 * kernel),
            "dense.bias": weights["dense.bias"] - RATE * found["dense.bias"],
        }
    assert_same(trained(Sgd(weight_decay=0.1, decay_on="weights")), weights)
