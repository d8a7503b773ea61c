"""How weights start, and their fingerprint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netspec.core.graph import Param, Slot, Value
from netspec.core.types import TensorType
from netspec.declarations.initializers import Constant
from netspec.training.runtime import Runtime
from netspec.training.state import first_not_finite, initialize, read_state, weights_sha256


class Kept:
    """A state that only keeps what is written."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def write(self, name: str, value: np.ndarray) -> None:
        self.arrays[name] = value


def slots() -> list[Slot]:
    shapes: dict[str, tuple[object, tuple[int, ...]]]
    shapes = {"a.weight": ("glorot", (30, 20)), "b.weight": ("he", (30, 20)), "b.bias": ("zeros", (20,))}
    shapes |= {"c.slope": (Constant(value=0.25), (20,))}
    return [
        Slot(
            Value(name, TensorType(shape, batched=False), "state"),
            "parameter",
            Param(shape, initializer, fan_in=30, fan_out=20),
        )
        for name, (initializer, shape) in shapes.items()
    ]


def drawn(order: list[Slot], seed: int = 1) -> dict[str, np.ndarray]:
    state = Kept()
    initialize(state, order, seed)
    return state.arrays


def test_what_is_drawn_does_not_depend_on_the_order() -> None:
    first, second = drawn(slots()), drawn(slots()[::-1])
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert all(array.dtype == np.float32 for array in first.values())
    assert not np.array_equal(first["a.weight"], drawn(slots(), seed=2)["a.weight"])


def test_initializers_are_those_the_parameters_ask_for() -> None:
    arrays = drawn(slots())
    assert np.abs(arrays["a.weight"]).max() <= np.sqrt(6 / 50)
    # 600 draws: the standard deviation of an estimated standard deviation is 1/√1200 of it, 3 %; four of these.
    assert abs(arrays["b.weight"].std() / np.sqrt(2 / 30) - 1) < 0.12
    assert not arrays["b.bias"].any()
    assert (arrays["c.slope"] == 0.25).all()


def test_a_runtime_starts_from_its_seed(make_runtime: Callable[..., Runtime]) -> None:
    first, second, other = make_runtime(), make_runtime(), make_runtime(seed=8)
    digests = [weights_sha256(read_state(r.state, r.weights)) for r in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]
    assert [slot.name for slot in first.weights] == ["dense.weight", "dense.bias"]
    assert [slot.name for slot in first.moments] == ["dense.weight:velocity", "dense.bias:velocity"]


def test_the_fingerprint_covers_names_and_bits_but_not_the_order() -> None:
    weights = {"a": np.array([1, 2], np.float32), "b": np.array([0.0], np.float32)}
    digest = weights_sha256(weights)
    assert digest == weights_sha256(dict(reversed(weights.items())))
    assert digest != weights_sha256({**weights, "b": np.array([-0.0], np.float32)})
    assert digest != weights_sha256({"a": weights["a"], "c": weights["b"]})


def test_what_is_not_finite_is_named() -> None:
    weights = {"a": np.ones(3, np.float32), "b": np.array([1, np.nan], np.float32)}
    assert first_not_finite(weights) == "b"
    assert first_not_finite({"a": weights["a"]}) is None
