"""A network that is small, and a backend that only notes what it is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from netspec.core.graph import Node
from netspec.core.types import TensorType
from netspec.data.dataset import Array, Part, labelled
from netspec.plan import Plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.training.runtime import Runtime

SPEC = """\
netspec: 1
name: tiny
input: [2, 2, 1]
layers:
  - flatten
  - dense: 3
  - softmax
train:
  optimizer: {sgd: {momentum: 0.5}}
  lr: {step: {start: 0.5, every: 1, factor: 0.5}}
  epochs: 2
  batch: 4
  seed: 7
"""


class FakeTarget:
    """Wants everything plain and no workspace."""

    name = "fake"

    def preferred_block(self, type: TensorType) -> int | None:
        return None

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        return True

    def takes_epilogue(self, op: str) -> bool:
        return False

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        return {}


class FakeState:
    """Arrays by name."""

    def __init__(self, plan: Plan) -> None:
        self.arrays = {slot.name: np.zeros(slot.param.shape, np.float32) for slot in plan.graph.slots}

    def names(self) -> Iterator[str]:
        return iter(self.arrays)

    def read(self, name: str) -> Array:
        return self.arrays[name].copy()

    def write(self, name: str, value: Array) -> None:
        assert value.shape == self.arrays[name].shape
        assert value.dtype == np.float32
        self.arrays[name] = value.copy()


@dataclass
class Call:
    """One call of ``run``."""

    mode: str
    inputs: dict[str, Array]
    scalars: dict[str, float]
    samples: int
    regions: tuple[str, ...]


class FakeExecutable:
    """Notes every call; its loss comes from the script, its update adds one to every weight."""

    def __init__(self, plan: Plan, state: FakeState, backend: FakeBackend) -> None:
        self._plan, self._state, self._backend = plan, state, backend
        self._labels = np.zeros(0, np.int32)
        self._loss = 0.0

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[str, ...] = ("forward", "backward", "update"),
    ) -> None:
        copies = {name: array.copy() for name, array in inputs.items()}
        self._backend.calls.append(Call(self._plan.mode, copies, dict(scalars), samples, regions))
        if "forward" in regions:
            assert all(len(array) == samples for array in inputs.values())
            self._labels = copies.get("target", np.zeros(samples, np.int32))
            self._loss = self._backend.loss()
        if "update" in regions and self._plan.mode == "train":
            for array in self._state.arrays.values():
                array += 1

    def output(self, name: str) -> Array:
        """Heads say class 0, whatever comes in."""
        if name == "loss":
            return np.array(self._loss, np.float32)
        if name == "gradients_finite":
            return np.array(self._backend.gradients_finite, np.float32)
        return np.eye(self._backend.classes, dtype=np.float32)[np.zeros(len(self._labels), int)]


@dataclass
class FakeBackend:
    """Makes executables that share one list of calls; ``losses`` are used up one by one, then 1.0 follows.

    ``classes`` is the length of a head's rows.
    """

    name: str = "fake"
    losses: list[float] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    states: list[FakeState] = field(default_factory=list)
    classes: int = 3
    gradients_finite: bool = True

    def probe(self) -> str | None:
        return None

    def target(self, threads: int) -> FakeTarget:
        return FakeTarget()

    def state(self, plan: Plan) -> FakeState:
        self.states.append(FakeState(plan))
        return self.states[-1]

    def load(self, plan: Plan, state: FakeState, threads: int) -> FakeExecutable:
        return FakeExecutable(plan, state, self)

    def loss(self) -> float:
        return self.losses.pop(0) if self.losses else 1.0

    def steps(self) -> list[Call]:
        """The calls that began a step of training."""
        return [call for call in self.calls if call.mode == "train" and "forward" in call.regions]


@pytest.fixture
def spec() -> Spec:
    """A network of one dense layer on 2x2 images, three classes."""
    return load_spec(Source("tiny.yaml", SPEC))


@pytest.fixture
def backend() -> FakeBackend:
    """A fresh fake backend."""
    return FakeBackend()


@pytest.fixture
def make_runtime(spec: Spec, backend: FakeBackend) -> Callable[..., Runtime]:
    """Makes the runtime of the network on the fake backend, with changes to the recipe."""

    def make(trains: bool = True, **changes: Any) -> Runtime:
        recipe = replace(spec.recipe, **changes)
        return Runtime(spec.graph, recipe, backend, recipe.batch, 1, trains)

    return make


@pytest.fixture
def make_part() -> Callable[[int], Part]:
    """Makes a part whose sample i holds only i, and has the label i mod 3."""

    def make(samples: int) -> Part:
        numbers = np.arange(samples)
        images = np.broadcast_to(numbers.astype(np.uint8)[:, None, None, None], (samples, 2, 2, 1)).copy()
        return labelled(images, (numbers % 3).astype(np.int32))

    return make
