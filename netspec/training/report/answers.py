"""What the heads say of samples that were not learnt from, and where they are wrong.

A part is looked at twice: once to count, then at the few samples whose pictures are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from netspec.analysis.cost import cost
from netspec.core.graph import Value
from netspec.data.batches import Batches
from netspec.data.dataset import Array, Dataset, Part, PartName
from netspec.training.report.content import Answers, Head
from netspec.training.report.tallies import ClassTally, MapTally, NumberTally, Sample
from netspec.training.runtime import Runtime

SAMPLES, MACS = 10_000, 2_000_000_000_000
"""Samples of a part that are looked at, and multiply-accumulates they may cost: a page takes seconds, not minutes."""

Tally = ClassTally | MapTally | NumberTally


class _Batch(NamedTuple):
    """A batch as it goes in, before preparation, with its targets and what the heads say."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    outputs: Mapping[str, Array]


def find_answers(runtime: Runtime, dataset: Dataset) -> Answers:
    """What the heads say of the validation part, or of the test part where there is none, or of the training part."""
    name, part = scored_part(dataset)
    affordable = MACS // max(1, cost(runtime.network).macs)
    count = min(len(part), SAMPLES, max(runtime.batch, affordable))
    heads = runtime.plan("predict", runtime.input_type(part.inputs)).graph.heads
    tallies = {head: _tally(runtime, dataset, part, head) for head in heads}
    for batch in _batches(runtime, part, np.arange(count)):
        for head, tally in tallies.items():
            tally.add(batch.targets[head], batch.outputs[head])
    wanted = sorted({index for tally in tallies.values() for index in tally.wanted()})
    samples = _samples(runtime, part, wanted)
    found: list[Head] = [tally.head(samples) for tally in tallies.values()]
    return Answers(name, count, len(part), tuple(found))


def scored_part(dataset: Dataset) -> tuple[PartName, Part]:
    """The part that the heads are asked about, by its name."""
    order: tuple[PartName, ...] = ("validation", "test", "train")
    return next((name, dataset.part(name)) for name in order if len(dataset.part(name)))


def _tally(runtime: Runtime, dataset: Dataset, part: Part, head: str) -> Tally:
    """What counts the answers of a head, by what its targets are."""
    said, value = runtime.recipe.head(head), runtime.network.heads[head]
    classes = dataset.classes(part.feed.targets[head])
    kind = value.type
    binary = said.loss.absorbs == "sigmoid" and kind.channels == 1 and not kind.spatial
    if binary or _ranks_classes(part.targets[head], value, said.loss.absorbs):
        names = _class_names(classes, 2 if binary else kind.channels)
        if kind.spatial:
            return MapTally(head, names)
        probable = said.loss.absorbs is not None or _ends_in_softmax(runtime, head)
        return ClassTally(head, names, "probability" if probable else "score")
    return MapTally(head, ()) if kind.spatial else NumberTally(head, classes, kind.channels)


def _ranks_classes(target: Array, head: Value, absorbs: str | None) -> bool:
    """Whether the channels of a head are classes, of which the largest is its answer."""
    if head.type.channels == 1:
        return False
    numbers = target.dtype.kind in "iu" and target.shape[1:] == head.type.spatial
    return numbers or (absorbs == "softmax" and target.shape[1:] == head.type.shape)


def _ends_in_softmax(runtime: Runtime, head: str) -> bool:
    last = runtime.network.producer().get(runtime.network.heads[head])
    return last is not None and last.op.name == "softmax"


def _class_names(known: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(known) if len(known) == count else tuple(map(str, range(count)))


def _batches(runtime: Runtime, part: Part, indices: Array) -> Iterator[_Batch]:
    """These samples as a network that is scored takes them. The arrays are overwritten by the next batch."""
    loaded = runtime.load("predict", runtime.input_type(part.inputs))
    heads = runtime.plan("predict", loaded.dtype).graph.heads
    batches = Batches(part, runtime.batch, runtime.augmenter(part, evaluation=True))
    for batch in batches.in_order(indices, "evaluation"):
        fed = runtime.prepared(batch)
        loaded.executable.run(loaded.feed(fed.inputs, {}), {}, len(batch))
        outputs = {name: loaded.executable.output(name) for name in heads}
        yield _Batch(batch.inputs, fed.targets, outputs)


def _samples(runtime: Runtime, part: Part, indices: Sequence[int]) -> dict[int, Sample]:
    """Single samples with all that was said of them."""
    found: dict[int, Sample] = {}
    if not indices:
        return found
    places = iter(indices)
    for batch in _batches(runtime, part, np.array(indices)):
        for row in range(len(next(iter(batch.outputs.values())))):
            each = ({name: array[row].copy() for name, array in arrays.items()} for arrays in batch)
            found[next(places)] = Sample(*each)
    return found
