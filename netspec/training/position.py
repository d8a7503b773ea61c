"""How far a run has come: what a checkpoint keeps and the loop goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Underway:
    """An epoch that is not done: its batches that are, the seconds they took, and the sums of their scores.

    ``waited`` of the seconds went by until data came; ``skipped`` of the batches changed nothing.
    """

    batches: int
    seconds: float
    sums: Mapping[str, Any]
    waited: float = 0.0
    skipped: int = 0


NOTHING = Underway(0, 0.0, {})
"""An epoch that has just begun."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a network has come: epochs and steps that are done, and how far the epoch under way is.

    The last ``skipped_in_a_row`` steps were left out, since their numbers were not finite.
    """

    epoch: int = 0
    step: int = 0
    underway: Underway | None = None
    skipped_in_a_row: int = 0


START = Position()
