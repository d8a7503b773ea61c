"""A network in memory: its state, and the plans over it, each made and loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from netspec.backend import Backend, Executable, State
from netspec.core.graph import Graph, Slot
from netspec.core.types import DType, TensorType
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.passes.step import evaluation, gradients, inference, training_step
from netspec.plan import Mode, Plan, make_plan
from netspec.training.arrays import as_target
from netspec.training.state import initialize

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

Purpose = Literal["train", "evaluate", "predict", "gradients", "input_gradients"]

_MODES: dict[Purpose, Mode] = {
    "train": "train",
    "evaluate": "infer",
    "predict": "infer",
    "gradients": "gradients",
    "input_gradients": "gradients",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """An executable, and the names by which its plan is fed; ``targets`` is empty where no labels are asked for."""

    executable: Executable
    image: str
    targets: Mapping[str, TensorType]
    checks_gradients: bool
    """Whether the plan says, as the output ``gradients_finite``, if they are."""

    def inputs(self, images: Array, labels: Array | None = None) -> dict[str, Array]:
        """What ``run`` wants: every head has the same labels, each in the form that its loss takes."""
        given = {} if labels is None else {name: as_target(labels, type) for name, type in self.targets.items()}
        return {self.image: images, **given}


class Runtime:
    """One network on one backend, for batches of at most ``batch`` samples.

    The state starts from the initialisers, drawn by ``recipe.seed``, and all plans share it. Without ``trains`` it
    holds no moments, so that a step of training is refused.
    """

    def __init__(
        self, network: Graph, recipe: Recipe, backend: Backend, batch: int, threads: int, trains: bool = True
    ) -> None:
        self.network = network
        self.recipe = recipe
        self.backend = backend
        self.batch = batch
        self.threads = threads
        self.trains = trains
        self._plans: dict[tuple[Purpose, DType], Plan] = {}
        self._loaded: dict[tuple[Purpose, DType], Loaded] = {}
        first = self.plan("train" if trains else "predict", "float32")
        self._slots = first.graph.slots
        self.state: State = backend.state(first)
        initialize(self.state, self._slots, recipe.seed)

    @property
    def weights(self) -> tuple[Slot, ...]:
        """The parameters and statistics, in the order of the network."""
        return tuple(slot for slot in self._slots if slot.kind != "moment")

    @property
    def moments(self) -> tuple[Slot, ...]:
        """What the optimiser remembers."""
        return tuple(slot for slot in self._slots if slot.kind == "moment")

    def plan(self, purpose: Purpose, dtype: DType) -> Plan:
        """The plan for images of ``dtype``; a RunError for training where the network was not made to train."""
        if purpose == "train" and not self.trains:
            raise RunError("this network was compiled for inference; compile it with mode='train' to train it")
        key = (purpose, dtype)
        if key not in self._plans:
            target = self.backend.target(self.threads)
            self._plans[key] = make_plan(self._graph(purpose, dtype), target, self.batch, _MODES[purpose])
        return self._plans[key]

    def load(self, purpose: Purpose, dtype: DType) -> Loaded:
        """The plan with its kernels, which are compiled the first time."""
        key = (purpose, dtype)
        if key not in self._loaded:
            plan = self.plan(purpose, dtype)
            executable = self.backend.load(plan, self.state, self.threads)
            image, *targets = plan.graph.inputs
            types = {value.name: value.type for value in targets}
            self._loaded[key] = Loaded(executable, image.name, types, "gradients_finite" in plan.graph.outputs)
        return self._loaded[key]

    def scalars(self, rate: float, step: int) -> Mapping[str, float]:
        """Run-time scalars of step ``step`` (from 1). ``seed`` travels as 31 bits."""
        return {"learning_rate": rate, "step": step, "seed": self.recipe.seed % 2**31}

    def _graph(self, purpose: Purpose, dtype: DType) -> Graph:
        if purpose == "train":
            return training_step(self.network, self.recipe, dtype)
        if purpose == "evaluate":
            return evaluation(self.network, self.recipe, dtype)
        if purpose == "predict":
            return inference(self.network, self.recipe, dtype)
        return gradients(self.network, self.recipe, dtype, of_input=purpose == "input_gradients")


def image_type(images: Array) -> DType:
    """The element type of the plan for these images: bytes travel as they are, everything else as float32."""
    return "uint8" if images.dtype == "uint8" else "float32"
