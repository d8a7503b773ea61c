"""How much a network suffers when one group of channels alone is pruned, more and more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from netspec.data.dataset import Part
from netspec.slimming.channels import Array, Group
from netspec.slimming.choice import removed_classes
from netspec.slimming.narrow import without_channels
from netspec.slimming.prune import Candidates
from netspec.training.evaluate import evaluate
from netspec.training.runtime import Runtime
from netspec.training.scores import Scores

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of a group's channels, what is removed."""


class Suffering(NamedTuple):
    """The scores without each of the shares of a group."""

    group: Group
    scores: tuple[Scores, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The scores of the whole network on so many samples, and those without parts of each group."""

    measure: str
    samples: int
    whole: Scores
    rows: tuple[Suffering, ...]

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "version": 1,
            "by": self.measure,
            "samples": self.samples,
            "whole": self.whole.document(),
            "shares": list(SHARES),
            "groups": [
                {
                    "layers": list(row.group.layers),
                    "channels": len(row.group.classes) * row.group.each,
                    "scores": [scores.document() for scores in row.scores],
                }
                for row in self.rows
            ],
        }


def sensitivity(
    runtime: Runtime,
    weights: Mapping[str, Array],
    among: Candidates,
    part: Part,
    tell: Callable[[str], None] = lambda text: None,
) -> Sensitivity:
    """Score the network on ``part`` without 10 to 90 % of each group, those of its channels that count least.

    The network afterwards has its ``weights`` again. ``tell`` is told each group that is begun.
    """
    whole = evaluate(runtime, part).scores
    rows = []
    for number, group in enumerate(among.free, 1):
        tell(f"{number} of {len(among.free)}: {group.name}")
        rows.append(Suffering(group, tuple(_scores(runtime, weights, among, group, share, part) for share in SHARES)))
    return Sensitivity(among.measure, len(part), whole, tuple(rows))


def _scores(
    runtime: Runtime, weights: Mapping[str, Array], among: Candidates, group: Group, share: float, part: Part
) -> Scores:
    removed = removed_classes([group], among.importance, share)
    changed = without_channels(weights, among.classes, removed)
    touched = [name for name, array in changed.items() if array is not weights[name]]
    try:
        for name in touched:
            runtime.state.write(name, changed[name])
        return evaluate(runtime, part).scores
    finally:
        for name in touched:
            runtime.state.write(name, weights[name])
