"""Options of training: keys of ``train:`` that stand for one thing each, with its attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netspec.core.attributes import attr
from netspec.core.declare import declare


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
