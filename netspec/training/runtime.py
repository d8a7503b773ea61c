"""A network in memory: its state, and the plans over it, each made and loaded when it is first needed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from netspec.backend import Backend, Executable, Joining, State
from netspec.core.declare import declaration_of
from netspec.core.graph import Graph, Slot, Value
from netspec.core.types import DType
from netspec.data.augment import Augmenter
from netspec.data.batches import Supply, with_work
from netspec.data.dataset import PARTS, Part
from netspec.data.feed import target_types
from netspec.data.preprocess import transformed
from netspec.data.workers import worker_count
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import is_fitted
from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import ALONE, Communicator
from netspec.distributed.exchange import Exchange
from netspec.distributed.split import Piece, Split
from netspec.passes.fake_quantization import SHARE as RANGE_SHARE
from netspec.passes.quantization import Ranges, quantize
from netspec.passes.sharing import SAMPLES, SHARE, WHOLE
from netspec.passes.step import evaluation, gradients, inference, training_step
from netspec.plan import Mode, Plan, make_plan
from netspec.training.accumulate import Turn
from netspec.training.arrays import as_target
from netspec.training.class_weights import balanced_heads
from netspec.training.quantization_aware import refuse_without_rounding
from netspec.training.scores import named_metrics
from netspec.training.state import initialize
from netspec.training.threads import available_threads
from netspec.training.tuned import Conditions, Tuned, conditions

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
    """An executable, and how its plan is fed."""

    executable: Executable
    dtype: DType
    targets: Mapping[str, Value]
    """By the head's name, what the plan calls its targets; empty where none are asked for."""
    checks_gradients: bool
    """Whether the plan says, as the output ``gradients_finite``, if they are."""
    exchange: Exchange
    """What runs its forward and backward regions, and meets the other ranks there."""

    def feed(self, inputs: Mapping[str, Array], targets: Mapping[str, Array]) -> dict[str, Array]:
        """What ``run`` wants: inputs of the plan's type, and the targets of its heads in the form that losses take."""
        learnt = {value.name: as_target(targets[head], value.type) for head, value in self.targets.items()}
        return {name: array.astype(self.dtype, copy=False) for name, array in inputs.items()} | learnt


class Fed(NamedTuple):
    """A batch, or a rank's piece of one, as a network takes it: inputs after the transforms outside of the graph,
    targets by head.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    samples: int


class Runtime:
    """One network on one backend, for batches of ``batch`` samples at most, which the ranks of ``world`` share.

    Plans are for a rank's piece, ``self.batch`` samples at most; NS954 where there is not a sample for each. The state
    starts from the initialisers, drawn by ``recipe.seed``, and all plans share it. Without ``trains`` it holds no
    moments, so that a step of training is refused. With it, where the recipe trains for bytes, the network rounds in
    all it does (NS867, NS868). With ``ranges`` of activations it predicts and is scored in bytes. Plans
    that ``tuned`` was measured for take its algorithms.
    """

    def __init__(
        self,
        network: Graph,
        recipe: Recipe,
        backend: Backend,
        batch: int,
        threads: int,
        trains: bool = True,
        world: Communicator = ALONE,
        ranges: Ranges | None = None,
        tuned: Tuned | None = None,
    ) -> None:
        if batch < world.size:
            raise RunError.of("NS954", batch=batch, size=world.size)
        if trains:
            refuse_without_rounding(backend, recipe)
        self.network = network
        self.recipe = recipe
        self.backend = backend.joined(world) if world.size > 1 and isinstance(backend, Joining) else backend
        self.world = world
        self.split = Split(batch, world.rank, world.size)
        self.batch = self.split.largest
        self.threads = threads
        self.trains = trains
        self.ranges = ranges
        self.tuned = tuned
        self.compile_seconds = 0.0
        """Time that has gone by so far until kernels were there: compiled, or read from the cache."""
        self._plans: dict[tuple[Purpose, DType], Plan] = {}
        self._loaded: dict[tuple[Purpose, DType], Loaded] = {}
        self._first = self.plan("train" if trains else "predict", "float32")
        self._slots = self._first.graph.slots

    @cached_property
    def state(self) -> State:
        """Weights, statistics and moments; memory is taken for them when they are first asked for."""
        state = self.backend.state(self._first)
        initialize(state, self._slots, self.recipe.seed)
        return state

    @property
    def weights(self) -> tuple[Slot, ...]:
        """The parameters and statistics, in the order of the network."""
        return tuple(slot for slot in self._slots if slot.kind != "moment")

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter and statistic, by name."""
        return {slot.name: slot.param.shape for slot in self.weights}

    @property
    def unused_weights(self) -> frozenset[str]:
        """What the network has and this form of it has not: parameters of heads that are there while training only."""
        return frozenset(slot.name for slot in self.network.slots) - self.weight_shapes.keys()

    @property
    def moments(self) -> tuple[Slot, ...]:
        """What the optimiser remembers."""
        return tuple(slot for slot in self._slots if slot.kind == "moment")

    def metrics(self, heads: Iterable[str]) -> dict[str, tuple[tuple[str, Any], ...]]:
        """What is measured at each of these heads, under the head's name too where the network has several."""
        return named_metrics(self.network, self.recipe, heads)

    def use(self, recipe: Recipe) -> None:
        """Go on under a recipe whose transforms were fitted since."""
        if recipe is not self.recipe:
            self.recipe = recipe
            self._plans.clear()
            self._loaded.clear()

    def input_type(self, inputs: Mapping[str, Array]) -> DType:
        """The element type of the plan for these inputs: where all are bytes they travel as such, else as float32."""
        as_bytes = all(array.dtype == "uint8" for array in inputs.values()) and not self.recipe.host_preprocess
        return "uint8" if as_bytes else "float32"

    def train_type(self, part: Part) -> DType:
        """The element type of the plan that learns from a part: mixed bytes are bytes no more."""
        mixes = any(augmentation.scope == "pair" for augmentation in self.recipe.augment)
        return "float32" if mixes else self.input_type(part.inputs)

    def prepared(self, batch: Part) -> Fed:
        """A batch after the transforms outside of the graph.

        A target of bytes is an image: it goes through all of the preprocessing, as it would if it went in.
        """
        targets = {
            name: transformed(self.recipe.preprocess, array) if array.dtype == "uint8" else array
            for name, array in batch.targets.items()
        }
        return Fed(self.prepared_inputs(batch.inputs), targets, len(batch))

    def prepared_inputs(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Inputs after the transforms outside of the graph."""
        transforms = self.recipe.host_preprocess
        return {name: transformed(transforms, x) if transforms else x for name, x in inputs.items()}

    def augmenter(self, part: Part, evaluation: bool = False) -> Augmenter:
        """What makes the samples of a part that is learnt from, or that is scored, and changes them where it should."""
        wanted = [each for each in self.recipe.augment if not evaluation or getattr(each, "in_evaluation", False)]
        return Augmenter(part, wanted, self.recipe.seed, target_types(self.network, self.recipe))

    def augmenters(self, *parts: Part) -> dict[str, Augmenter]:
        """What makes the samples of the training, the validation and the test part, of as many as are given."""
        return {name: self.augmenter(part, name != "train") for name, part in zip(PARTS, parts, strict=False)}

    def workers(self, augmenters: Mapping[str, Augmenter], epochs: int, wanted: int | None = None) -> int:
        """How many processes make the batches of so many epochs over these parts; as the recipe says, or ``wanted``."""
        samples = sum(len(each.part) for each in with_work(augmenters).values())
        return worker_count(self.recipe.workers if wanted is None else wanted, samples * epochs, available_threads())

    def supply(self, augmenters: Mapping[str, Augmenter], epochs: int, workers: int | None = None) -> Supply:
        """The batches of so many epochs over these parts, made by the recipe's ``workers`` or so many; to be closed."""
        return Supply(augmenters, self.batch, self.workers(augmenters, epochs, workers))

    def plan(self, purpose: Purpose, dtype: DType) -> Plan:
        """The plan for inputs of ``dtype``; a RunError for training where the network was not made to train."""
        if purpose == "train" and not self.trains:
            raise RunError("this network was compiled for inference; compile it with mode='train' to train it")
        key = (purpose, dtype)
        if key not in self._plans:
            self._plans[key] = self.planned(purpose, dtype, self.batch)
        return self._plans[key]

    def planned(self, purpose: Purpose, dtype: DType, batch: int) -> Plan:
        """The plan for batches of another size, which is not kept; see :meth:`plan`."""
        if batch == self.batch and (purpose, dtype) in self._plans:
            return self._plans[purpose, dtype]
        plan = self.planned_by(purpose, dtype, batch)
        if self.tuned is None or self.ranges is not None or self.tuned.made_for != self.conditions(batch):
            return plan
        return self.planned_by(purpose, dtype, batch, self.tuned.chosen(plan))

    def planned_by(
        self, purpose: Purpose, dtype: DType, batch: int, algorithms: Mapping[str, str] | None = None
    ) -> Plan:
        """The plan in which steps take these algorithms, and others those that are expected to be the fastest."""
        graph, target, recipe = self._graph(purpose, dtype), self.backend.target(self.threads), self.recipe
        budget = recipe.memory_budget if purpose == "train" else None
        return make_plan(
            graph, target, batch, _MODES[purpose], recipe.math, algorithms, budget, precision=recipe.precision
        )

    def conditions(self, batch: int | None = None) -> Conditions:
        """What algorithms are measured for, where plans are for ``batch`` samples; its own if left out."""
        return conditions(self.network, self.recipe, self.backend.name, self.batch if batch is None else batch)

    def is_loaded(self, purpose: Purpose, dtype: DType) -> bool:
        """Whether :meth:`load` was asked for this plan before."""
        return (purpose, dtype) in self._loaded

    def load(self, purpose: Purpose, dtype: DType) -> Loaded:
        """The plan with its kernels, which are compiled the first time."""
        key = (purpose, dtype)
        if key not in self._loaded:
            self.refuse_unfitted()
            if purpose != "predict" and balanced_heads(self.recipe, self.network.heads):
                raise RunError.of("NS510", name="class_weights: balanced")
            plan = self.plan(purpose, dtype)
            with self.compiling():
                self._loaded[key] = self.bound(plan, dtype)
        return self._loaded[key]

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """What is done inside is done for kernels to be there; its time is counted as such."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.compile_seconds += time.perf_counter() - begun

    def bound(self, plan: Plan, dtype: DType) -> Loaded:
        """A plan of this network for inputs of ``dtype`` with its kernels, bound to the state."""
        executable = self.backend.load(plan, self.state, self.threads)
        targets = target_inputs(plan.graph, self.network)
        exchange = Exchange(plan, executable, self.world, self.backend.name)
        return Loaded(executable, dtype, targets, "gradients_finite" in plan.graph.outputs, exchange)

    def refuse_unfitted(self) -> None:
        """A RunError where a transform has not yet learnt its numbers."""
        unfitted = [each for each in self.recipe.preprocess if not is_fitted(each)]
        if unfitted:
            raise RunError.of("NS510", name=declaration_of(unfitted[0]).name)

    def scalars(
        self, rate: float, step: int, turn: Turn | None = None, piece: Piece | None = None
    ) -> Mapping[str, float]:
        """Run-time scalars of step ``step`` (from 1). ``seed`` travels as 31 bits, and differs from rank to rank.

        ``turn`` says which of the batches of its update this is; left out, the update has this one alone. ``piece`` is
        what this rank has of the batch; left out, it is as much as of a full one.
        """
        turn, piece = turn or Turn(step), piece or self.split.piece(self.split.batch)
        found = {"learning_rate": rate, "step": step, "seed": (self.recipe.seed + self.world.rank) % 2**31}
        if self.world.size > 1:
            found |= {SHARE: piece.share, WHOLE: float(piece.of)}
        if self.world.size > 1 or self.recipe.accumulate > 1:
            found[SAMPLES] = float(max(piece.samples, 1))
        if self.recipe.accumulate > 1:
            found |= {"share": turn.share, "first": float(turn.first), "update": turn.update}
        if self.recipe.average is not None:
            found["average_share"] = self.recipe.average.share(turn.update)
        if self.recipe.quantize is not None:
            found[RANGE_SHARE] = self.recipe.quantize.share(turn.update)
        return found

    def _graph(self, purpose: Purpose, dtype: DType) -> Graph:
        if purpose == "train":
            return training_step(self.network, self.recipe, dtype, self.world.size > 1)
        if purpose in ("evaluate", "predict"):
            scored = evaluation if purpose == "evaluate" else inference
            form = scored(self.network, self.recipe, dtype, rounds=self.trains)
            return form if self.ranges is None else quantize(form, self.ranges).graph
        return gradients(self.network, self.recipe, dtype, of_input=purpose == "input_gradients")


def target_inputs(plan: Graph, network: Graph) -> dict[str, Value]:
    """The inputs of a plan that take targets, by the head's name: all that follow the network's own."""
    targets = plan.inputs[len(network.inputs) :]
    alone = next(iter(plan.heads or network.heads))  # a plan for gradients has no heads, and those of the network
    return {value.name.partition("/")[2] or alone: value for value in targets}
