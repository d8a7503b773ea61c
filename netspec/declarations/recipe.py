"""How a network is trained: the instances that ``train:`` names, filled up with the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netspec.declarations.losses import CrossEntropy
from netspec.declarations.metrics import Accuracy
from netspec.declarations.optimizers import Sgd
from netspec.declarations.schedules import Constant


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training half of a spec. Every field holds declaration instances or plain numbers."""

    data: Any = None
    validation: float = 0.0
    preprocess: tuple[Any, ...] = ()
    loss: Any = field(default_factory=lambda: CrossEntropy())
    metrics: tuple[tuple[str, Any], ...] = (("accuracy", Accuracy()),)
    optimizer: Any = field(default_factory=lambda: Sgd(momentum=0.9))
    lr: Any = field(default_factory=lambda: Constant(rate=0.01))
    epochs: int = 10
    batch: int = 64
    seed: int = 0
