"""Options of training: keys of ``train:`` that stand for one thing each, with its attributes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from netspec.core.attributes import attr
from netspec.core.declare import declare
from netspec.core.graph import Slot


@declare(
    "option",
    "average",
    main="decay",
    doc="A moving average of the weights (Polyak and Juditsky 1992), made beside them: each update moves it by the "
    "share 1 − decay towards the new weights, so that it looks back over about 1 / (1 − decay) updates.",
    example="0.999",
)
class Average:
    decay: float = attr(
        default=0.999, doc="share of the old average that an update keeps", minimum=0, exclusiveMaximum=1
    )

    def share(self, update: int) -> float:
        """How far an update (from 1) moves the average towards the new weights.

        The first moves it all the way. So the average is one of the weights after each update alone, as is Adam's
        (Kingma and Ba 2015): how the network started is not in it.
        """
        return (1 - self.decay) / (1 - self.decay**update)


@declare(
    "option",
    "early_stopping",
    main="patience",
    doc="The run ends where the loss on the validation part has not become lower for a while (Prechelt 1998); the best "
    "checkpoint is kept.",
    example="5",
)
class EarlyStopping:
    patience: int = attr(default=5, doc="epochs in a row without a lower loss after which the run ends", minimum=1)
    min_delta: float = attr(default=0.0, doc="by how much a loss has to be lower to count", minimum=0)

    def ends(self, losses: Sequence[float]) -> bool:
        """Whether the run ends after epochs with these losses on the validation part."""
        lowest, since = math.inf, 0
        for loss in losses:
            if loss < lowest - self.min_delta:
                lowest, since = loss, 0
            else:
                since += 1
        return since >= self.patience


@declare(
    "option",
    "prune",
    main="sparsity",
    doc="The smallest weights become 0 and stay it, under momentum, weight decay and averages too. Biases and "
    "normalisations are left out.",
    example="{sparsity: 0.8, start: 500, over: 2000}",
)
class Prune:
    sparsity: float = attr(default=0.5, doc="share of the weights that is 0 in the end", minimum=0, exclusiveMaximum=1)
    start: int = attr(default=0, doc="updates before the first weights go", minimum=0)
    over: int = attr(
        default=0,
        doc="updates from the first weights that go to the last; 0: all go at once. Between them the share is "
        "sparsity · (1 − (1 − t/over)³) (Zhu and Gupta 2017)",
        minimum=0,
    )
    every: int = attr(default=100, doc="updates after which the share grows", minimum=1)
    scope: str = attr(
        default="layer",
        doc="whether every layer loses that share, or the network as a whole",
        enum=("layer", "network"),
    )
    leave: str = attr(
        default="none",
        doc="layers that stay whole: the first one with weights, the last one, or both",
        enum=("none", "first", "last", "both"),
    )

    @property
    def end(self) -> int:
        """Updates before the last weights go."""
        return self.start + self.over

    def due(self, updates: int) -> bool:
        """Whether weights go after so many updates."""
        return self.start <= updates <= self.end and ((updates - self.start) % self.every == 0 or updates == self.end)

    def share(self, updates: int) -> float:
        """The share of weights that is 0 after so many updates."""
        if updates < self.start:
            return 0.0
        left = 1 - (updates - self.start) / self.over if updates < self.end else 0.0
        return self.sparsity * (1 - left**3)

    def weights(self, slots: Iterable[Slot]) -> tuple[Slot, ...]:
        """The state that is pruned: trained parameters with more than a number per channel, in the network's order."""
        found = [
            slot for slot in slots if slot.kind == "parameter" and slot.param.trained and len(slot.param.shape) > 1
        ]
        return tuple(found[self.leave in ("first", "both") : len(found) - (self.leave in ("last", "both"))])


@declare(
    "option",
    "quantize",
    main="start",
    doc="The network is trained to be computed in bytes: forward it rounds weights and activations as `netspec "
    "quantize` will, backward the rounding is passed over (straight-through gradients; Jacob et al. 2018). Ranges of "
    "activations are moving averages of the extremes of the batches.",
    example="{start: 500}",
)
class QuantizationAware:
    start: int = attr(
        default=0,
        doc="updates before activations are rounded; weights are from the first one",
        minimum=0,
    )
    momentum: float = attr(
        default=0.99, doc="share of the old range that an update keeps", minimum=0, exclusiveMaximum=1
    )

    def share(self, update: int) -> float:
        """How far an update (from 1) moves the ranges; the first that counts moves them all the way."""
        since = update - self.start
        return (1 - self.momentum) / (1 - self.momentum**since) if since > 0 else 0.0
