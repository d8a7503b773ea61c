"""Worker processes that decode and augment ahead of the training, into a ring of batches in shared memory.

The same workers make the batches of all parts, one part at a time: those that are scored come when an epoch is over.
What a batch holds follows from seed, epoch and samples, and batches come in their order; so neither the number of
workers nor who was faster changes a bit. Workers are programs of their own, started afresh: a fork of this process
would die at its first kernel. Until one is ready the training process makes its batches itself, so that a short run
does not wait for programs to start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any, NamedTuple

import numpy as np

from netspec.data.augment import Augmenter
from netspec.data.dataset import Array, Part
from netspec.data.ondemand import on_demand
from netspec.data.shared import Block, Place, end_of, laid_out
from netspec.data.worker import PROGRAM, Orders, Report, Source, Task
from netspec.diagnostics.errors import RunError

_WORTH_A_START = 20_000
"""Samples to be made for which starting workers pays: one start takes the time of augmenting some thousands."""
_MOST_WORKERS = 8
"""Workers at most where their number is not given."""
_SLOTS_PER_WORKER = 2
"""A worker has a batch to go on with while one that it made waits to be taken."""
_LAST_WORDS = 2000
"""Bytes at the end of what a worker wrote that are searched for what it died of."""


def worker_count(wanted: int | None, samples: int, cores: int) -> int:
    """How many workers are to make so many ``samples``, counting each epoch's and each part's: what is ``wanted``.

    Where that is not said, a core less than there are, but at least one and at most 8; and none where the run is so
    short that a start would take longer. Without POSIX there are none.
    """
    if os.name != "posix":
        return 0
    if wanted is not None:
        return wanted
    return 0 if samples < _WORTH_A_START else max(1, min(cores - 1, _MOST_WORKERS))


class _Layout(NamedTuple):
    """What workers share: a note per worker and the slots of batches in the ring, and the samples that they read.

    A slot takes a batch of any part; by the part's name there are the places in each slot, and those of its samples.
    """

    notes: dict[str, Place]
    slots: dict[str, list[dict[str, Place]]]
    samples: dict[str, dict[str, Place]]

    @property
    def ring_bytes(self) -> int:
        """Bytes of notes and slots."""
        return max(end_of(slots[-1]) for slots in self.slots.values())

    @property
    def samples_bytes(self) -> int:
        """Bytes of the samples that do not lie in shared memory already."""
        return max(map(end_of, self.samples.values()))


def _examples(augmenters: Mapping[str, Augmenter]) -> dict[str, Part]:
    """A batch of one sample of each part."""
    return {name: augmenter.batch(np.arange(1), 0) for name, augmenter in augmenters.items()}


def _laid_out(augmenters: Mapping[str, Augmenter], examples: Mapping[str, Part], size: int, count: int) -> _Layout:
    """The layout for ``count`` workers that make batches of up to ``size`` samples such as those in ``examples``."""
    notes = laid_out({str(number): ((2,), np.dtype(np.int64)) for number in range(count)})
    slots: dict[str, list[dict[str, Place]]] = {name: [] for name in examples}
    begin = end_of(notes)
    for _ in range(_SLOTS_PER_WORKER * count + 1):
        for name, example in examples.items():
            shapes = {field: ((size, *array.shape[1:]), array.dtype) for field, array in example.fields.items()}
            slots[name].append(laid_out(shapes, begin))
        begin = max(end_of(each[-1]) for each in slots.values())
    samples, begin = dict[str, dict[str, Place]](), 0
    for name, augmenter in augmenters.items():
        part = augmenter.part
        arrays = {field: part[field] for field in part.feed.fields if on_demand(part[field]) is None}
        samples[name] = laid_out({field: (array.shape, array.dtype) for field, array in arrays.items()}, begin)
        begin = max(begin, end_of(samples[name]))
    return _Layout(notes, slots, samples)


def shared_bytes(augmenters: Mapping[str, Augmenter], size: int, count: int) -> int:
    """Bytes that ``count`` workers take of shared memory: a ring of batches, and a copy of the samples.

    What the processes take for themselves, some tens of MiB each, is not in it.
    """
    if not count or not augmenters:
        return 0
    layout = _laid_out(augmenters, _examples(augmenters), size, count)
    return layout.ring_bytes + layout.samples_bytes


@dataclass(slots=True)
class _Worker:
    """A process; ``tasks`` are the slots that it was told to fill and has not yet, in their order."""

    number: int
    process: subprocess.Popen[bytes]
    pipe: Connection[Any, Report]
    messages: IO[bytes]
    current: Array
    ready: bool = False
    tasks: list[int] = field(default_factory=list)


class Workers:
    """``count`` worker processes that make batches of up to ``size`` samples; to be closed.

    ``augmenters`` are what they do as, by the name of the part that each of them makes batches of.
    """

    def __init__(self, augmenters: Mapping[str, Augmenter], size: int, count: int) -> None:
        self._augmenters, self._names = augmenters, list(augmenters)
        examples = _examples(augmenters)
        self._layout = layout = _laid_out(augmenters, examples, size, count)
        self._feeds = {name: example.feed for name, example in examples.items()}
        ring, samples = self._blocks = [Block(layout.ring_bytes), Block(layout.samples_bytes)]
        for name, places in layout.samples.items():
            for field_name, place in places.items():
                samples.array(place)[...] = augmenters[name].part[field_name]
        self._filled: set[int] = set()
        sources = [
            _source(augmenter, layout.samples[name], layout.slots[name]) for name, augmenter in augmenters.items()
        ]
        stored = [later.block for source in sources for later in source.stored.values()]
        shared = [block.descriptor for block in (*self._blocks, *stored)]
        self._workers: list[_Worker] = []
        try:
            for number, place in enumerate(layout.notes.values()):
                self._workers.append(_started(number + 1, ring.array(place), shared))
                with suppress(ConnectionError):  # it has ended already, which is found where its answer is awaited
                    self._workers[-1].pipe.send(Orders(samples, sources, ring, place))
        except BaseException:
            self.close()
            raise

    def __contains__(self, name: str) -> bool:
        """Whether they make batches of the part of that name."""
        return name in self._augmenters

    def batches(self, name: str, order: Array, size: int, epoch: int | str) -> Iterator[Part]:
        """The batches of the samples ``order`` of a part, ``size`` at a time, each valid until the next is asked for.

        Those of one part at a time. A RunError (NS912, NS913) where a worker failed or died; it names the worker and
        the sample.
        """
        source, ring = self._names.index(name), self._blocks[0]
        while any(worker.tasks for worker in self._workers):  # of batches that were not asked for any more
            self._listen(None)
        self._filled.clear()
        cuts = [order[start : start + size] for start in range(0, len(order), size)]
        places = self._layout.slots[name]
        free, slots, ahead = list(range(len(places))), dict[int, int](), 0
        for number, indices in enumerate(cuts):
            self._listen(0)
            ahead = max(ahead, number + (number not in slots))
            while free and ahead < len(cuts) and (worker := self._idlest()):
                slots[ahead] = free.pop()
                self._tell(worker, Task(source, slots[ahead], cuts[ahead], epoch))
                ahead += 1
            slot = slots.pop(number, None)
            if slot is None:
                yield self._augmenters[name].batch(indices, epoch)
                continue
            while slot not in self._filled:
                self._listen(None)
            self._filled.remove(slot)
            fields = {field: ring.array(place)[: len(indices)] for field, place in places[slot].items()}
            yield Part(fields, self._feeds[name])
            free.append(slot)

    def close(self) -> None:
        """End the workers, whatever they are at: they hold nothing that could be lost."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
            worker.pipe.close()
            worker.messages.close()
        self._workers.clear()
        for block in self._blocks:
            block.close()
        self._blocks.clear()

    def _idlest(self) -> _Worker | None:
        """The worker with the least to do, of those that are ready."""
        ready = [worker for worker in self._workers if worker.ready]
        return min(ready, key=lambda worker: len(worker.tasks)) if ready else None

    def _tell(self, worker: _Worker, task: Task) -> None:
        worker.tasks.append(task.slot)
        try:
            worker.pipe.send(task)
        except ConnectionError:
            raise self._death(worker) from None

    def _listen(self, seconds: float | None) -> None:
        """Take in what workers have answered, and wait so long for it; None waits until there is something."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(by_pipe), seconds):
            worker = by_pipe[pipe]  # type: ignore[index]  # wait() yields what it was given
            try:
                report = worker.pipe.recv()
            except (EOFError, ConnectionError):
                raise self._death(worker) from None
            if report.slot is None:
                worker.ready = True
                continue
            worker.tasks.remove(report.slot)
            if report.problem is not None:
                fields = {"worker": worker.number, "sample": self._called(int(worker.current[0]), report.sample)}
                raise RunError.of("NS912", **fields, problem=report.problem)
            self._filled.add(report.slot)

    def _death(self, worker: _Worker) -> RunError:
        """What is known of a worker that ended by itself."""
        status = worker.process.wait()
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        worker.messages.seek(max(0, worker.messages.seek(0, os.SEEK_END) - _LAST_WORDS))
        words = worker.messages.read().decode(errors="replace").strip().splitlines()
        source, sample = map(int, worker.current)
        place = "while it started" if source < 0 else f"at {self._called(source, sample)}"
        said = f"; it last said: {words[-1]}" if words else ""
        return RunError.of("NS913", worker=worker.number, process=worker.process.pid, how=f"{how} {place}{said}")

    def _called(self, source: int, sample: int) -> str:
        """A sample of a part, with the files that it is decoded from."""
        name = self._names[source]
        part = self._augmenters[name].part
        fields = (on_demand(part.fields[field_name]) for field_name in part.feed.fields)
        files = ", ".join(each.called(sample) for each in fields if each)
        return f"sample {sample} of the {len(part):,} of the {name} part" + (f" ({files})" if files else "")


def _source(augmenter: Augmenter, arrays: Mapping[str, Place], slots: Sequence[Mapping[str, Place]]) -> Source:
    """What workers are told of a part."""
    part = augmenter.part
    stored = {name: later for name in part.feed.fields if (later := on_demand(part[name]))}
    return Source(arrays, stored, part.feed, augmenter.augment, augmenter.seed, augmenter.targets, slots)


def _started(number: int, current: Array, shared: list[int]) -> _Worker:
    """A new process with these descriptors. It is out of reach of the terminal's signals, and of more than one core:
    a library of matrix products would start as many threads as there are.
    """
    current[:] = -1
    here, there = Pipe()
    messages = tempfile.TemporaryFile()  # noqa: SIM115  # the worker has it as long as it lives
    with there:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(there.fileno()), json.dumps(sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=messages,
            pass_fds=(there.fileno(), *shared),
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
    return _Worker(number, process, here, messages, current)
