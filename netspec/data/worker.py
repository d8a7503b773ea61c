"""The program of a worker process: it makes batches and lays them into memory that the training process sees.

It ends when the training process does, however that happens: its pipe is closed then. It is told which samples to put
together into which slot; what they hold follows from seed, epoch and sample.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from netspec.core.types import TensorType
from netspec.data.augment import Augmenter
from netspec.data.dataset import Array, Feed, Part
from netspec.data.shared import Block, Place
from netspec.diagnostics.errors import NetspecError

PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from netspec.data.worker import main; main(int(sys.argv[1]))"
)
"""What a worker's interpreter runs; the descriptor of its pipe and the training process's module path go with it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A part of the data, and what is done to its samples.

    Its ``arrays`` lie in a block of samples, ``stored`` are its other fields. By slot, ``slots`` are the places of a
    batch's fields.
    """

    arrays: Mapping[str, Place]
    stored: Mapping[str, Any]
    feed: Feed
    augment: Sequence[Any]
    seed: int
    targets: Mapping[str, TensorType]
    slots: Sequence[Mapping[str, Place]]

    def augmenter(self, samples: Block, note: Callable[[int], None]) -> Augmenter:
        """What makes batches of this part as the training process would."""
        arrays = {name: samples.array(place) for name, place in self.arrays.items()}
        part = Part({**arrays, **self.stored}, self.feed)
        return Augmenter(part, self.augment, self.seed, self.targets, note)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker has to know before its first batch.

    The block ``samples`` holds the arrays of all sources, the block ``ring`` the slots of batches, and at ``current``
    the numbers of the source and the sample that the worker is at.
    """

    samples: Block
    sources: Sequence[Source]
    ring: Block
    current: Place


@dataclass(frozen=True, slots=True)
class Task:
    """One batch: the samples ``indices`` of a source as they are in ``epoch``, to be laid into ``slot``."""

    source: int
    slot: int
    indices: Array
    epoch: int | str


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker answers: that it is ready (no slot), that a slot is filled, or what went wrong at which sample."""

    slot: int | None
    problem: str | None = None
    sample: int = -1


def main(descriptor: int) -> None:
    """Serve the training process at the other end of the pipe until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's to answer
    warnings.simplefilter("ignore")  # of odd notes beside an image; what keeps it from being decoded is raised
    pipe: Connection[Report, Any] = Connection(descriptor)
    try:
        _serve(pipe, pipe.recv())
    except (EOFError, ConnectionError):
        sys.exit()


def _serve(pipe: Connection[Report, Any], orders: Orders) -> None:
    current = orders.ring.array(orders.current)

    def note(sample: int) -> None:
        current[1] = sample

    augmenters = [source.augmenter(orders.samples, note) for source in orders.sources]
    pipe.send(Report(None))
    while True:
        task: Task = pipe.recv()
        current[:] = task.source, task.indices[0]
        try:
            batch = augmenters[task.source].batch(task.indices, task.epoch)
        except Exception as error:  # whatever it is, it is the training process that has to tell of it
            said = str(error) if isinstance(error, NetspecError) else f"{type(error).__name__}: {error}"
            pipe.send(Report(task.slot, said, int(current[1])))
            continue
        for name, place in orders.sources[task.source].slots[task.slot].items():
            orders.ring.array(place)[: len(task.indices)] = batch[name]
        pipe.send(Report(task.slot))
