"""How a network is trained: the instances that ``train:`` names, filled up with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from netspec.declarations.losses import CrossEntropy
from netspec.declarations.metrics import Accuracy
from netspec.declarations.optimizers import Sgd
from netspec.declarations.schedules import Constant


@dataclass(frozen=True, slots=True)
class Head:
    """How one output is trained. What is None is the recipe's; ``target`` is the field of the data that it learns.

    Where a head has its own loss and no metrics, those that usually go with this loss are measured.
    """

    loss: Any = None
    weight: float = 1.0
    metrics: tuple[tuple[str, Any], ...] | None = None
    target: str | None = None
    train_only: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training half of a spec. Every field holds declaration instances or plain numbers."""

    data: Any = None
    validation: float | str = 0.0
    """A share of the training part, or a part of the data by its name."""
    preprocess: tuple[Any, ...] = ()
    augment: tuple[Any, ...] = ()
    loss: Any = field(default_factory=lambda: CrossEntropy())
    metrics: tuple[tuple[str, Any], ...] = (("accuracy", Accuracy()),)
    optimizer: Any = field(default_factory=lambda: Sgd(momentum=0.9))
    lr: Any = field(default_factory=lambda: Constant(rate=0.01))
    epochs: int = 10
    batch: int = 64
    seed: int = 0
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """How far the factors of convolutions and dense layers are rounded. Weights, sums and all else are float32."""
    math: Literal["fast", "exact"] = "fast"
    """``fast`` may use any algorithm whose error is documented, ``exact`` none but plain sums."""
    memory_budget: int | None = None
    """Bytes that a training step's plan may take; see :func:`netspec.plan.make_plan`. A command's option sets it."""
    on_nan: str = "stop"
    """``stop`` ends the run at a loss or gradient that is not finite, ``skip`` leaves that step out."""
    workers: int | None = None
    """Processes that decode and augment; None lets the data decide."""
    cache: int = 1024
    """MiB of decoded images that are held in memory."""
    accumulate: int = 1
    """Batches whose gradients are summed before an update."""
    sync_batch_norm: bool = False
    """Whether ranks that share a batch normalise by the statistics of all of it, and not of their own pieces."""
    average: Any = None
    """How an average of the weights is made beside them, if it is."""
    prune: Any = None
    """Which share of the weights becomes 0, and when, if it does."""
    quantize: Any = None
    """How the network learns to be computed in bytes, if it does."""
    early_stopping: Any = None
    """When the run ends before its last epoch, if it may."""
    init: Mapping[str, str] | None = None
    """Weights to start from: ``from`` what file, and to ``match`` them by ``name`` or ``shape``."""
    heads: Mapping[str, Head] = field(default_factory=dict)
    """What is said of single heads, by their name."""
    stated: bool = field(default=True, compare=False)
    """Whether the spec says anything of training; where it does not, predictions are what its layers give."""

    @property
    def host_preprocess(self) -> tuple[Any, ...]:
        """The transforms that are computed before samples go in: up to the last that the graph has no node for."""
        on_host = [place for place, transform in enumerate(self.preprocess) if transform.on_host]
        return self.preprocess[: on_host[-1] + 1] if on_host else ()

    @property
    def graph_preprocess(self) -> tuple[Any, ...]:
        """The transforms that are nodes of the graph."""
        return self.preprocess[len(self.host_preprocess) :]

    def predicted_by(self, name: str) -> str | None:
        """The activation that predictions of a head end in, written or not, since the head's loss takes it in."""
        return self.head(name).loss.absorbs if self.stated else None

    def head(self, name: str) -> Head:
        """How the output of that name is trained, filled up with what holds for all."""
        said = self.heads.get(name, Head())
        loss, metrics = (self.loss, self.metrics) if said.loss is None else (said.loss, said.loss.metrics)
        return replace(said, loss=loss, metrics=metrics if said.metrics is None else said.metrics)
