"""Worker processes: the batches of this process to the bit, and what happens when one of them or this one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.types import TensorType
from netspec.data.augment import Augmenter
from netspec.data.batches import Batches, Supply, epoch_order
from netspec.data.dataset import Array, Part, labelled
from netspec.data.workers import Workers, worker_count
from netspec.declarations.augmentations import ColorJitter, Cutout, Mixup, RandomCrop, RandomFlip, RandomRotation
from netspec.diagnostics.errors import RunError

SAMPLES = 50
IMAGES = np.random.default_rng(6).integers(0, 256, (SAMPLES, 9, 8, 3), np.uint8)
PART = labelled(IMAGES, np.arange(SAMPLES, dtype=np.int32) % 3)
TARGETS = {"main": TensorType((3,))}
AUGMENT = (RandomCrop(padding=2), RandomFlip(), RandomRotation(degrees=9), ColorJitter(hue=0.1), Cutout(size=3))


def batches(workers: int, augment: tuple[Any, ...] = AUGMENT, part: Part = PART) -> Batches:
    return Supply({"train": Augmenter(part, augment, 5, TARGETS)}, 8, workers).batches("train", 8)


def epochs(made: Batches, count: int = 3, patience: float = 0.0) -> list[dict[str, Array]]:
    """All batches of some epochs; where the consumer is patient, workers get ready and ahead of it."""
    found = []
    for epoch in range(count):
        for batch in made.in_order(epoch_order(SAMPLES, 5, epoch), epoch):
            found.append({name: array.copy() for name, array in batch.fields.items()})
            time.sleep(patience)
    return found


def until_ready(made: Batches) -> Batches:
    """The batches, when all workers are there to make them."""
    assert made._workers is not None
    while not all(worker.ready for worker in made._workers._workers):
        made._workers._listen(None)
    return made


@pytest.fixture
def three() -> Iterator[Batches]:
    made = batches(3)
    yield until_ready(made)
    close(made)


def close(made: Batches | Workers) -> None:
    workers = made._workers if isinstance(made, Batches) else made
    if workers is not None:
        workers.close()


def workers_of(made: Batches) -> list[Any]:
    assert made._workers is not None
    return made._workers._workers


@pytest.mark.parametrize("augment", [AUGMENT, (Mixup(), RandomFlip())], ids=["changed", "mixed"])
def test_batches_do_not_depend_on_the_number_of_workers_nor_on_timing(augment: tuple[Any, ...]) -> None:
    alone = epochs(batches(0, augment))
    assert len(alone) == 3 * 7
    for count, patience in ((1, 0.0), (3, 0.0), (3, 0.004)):
        made = batches(count, augment)
        try:
            beginning = epochs(made, patience=patience)  # begins in this process and goes on in the workers
            ready = epochs(until_ready(made))
        finally:
            close(made)
        for found in (beginning, ready):
            for ours, theirs in zip(alone, found, strict=True):
                assert ours.keys() == theirs.keys()
                for name, array in ours.items():
                    assert array.dtype == theirs[name].dtype
                    assert np.array_equal(array, theirs[name])


def test_the_same_workers_make_the_batches_of_several_parts() -> None:
    """One after the other, of other shapes and types, and of other sizes; the memory is the same."""
    wide = labelled(np.random.default_rng(7).random((20, 5, 5, 1), np.float32), np.arange(20, dtype=np.int32) % 3)
    augmenters = {
        "train": Augmenter(PART, (Mixup(),), 5, TARGETS),
        "validation": Augmenter(wide, (Cutout(size=2),), 5, {}),
    }
    supply = Supply(augmenters, 8, 2)
    assert supply._workers is not None
    learnt, scored = supply.batches("train", 8), supply.batches("validation", 7)
    try:
        until_ready(learnt)
        for epoch in range(2):
            for made, name, samples, size in ((learnt, "train", SAMPLES, 8), (scored, "validation", 20, 7)):
                order = epoch_order(samples, 5, epoch)
                for number, batch in enumerate(made.in_order(order, epoch)):
                    alone = augmenters[name].batch(order[number * size :][:size], epoch)
                    assert batch.fields.keys() == alone.fields.keys()
                    for field, array in batch.fields.items():
                        assert array.dtype == alone[field].dtype
                        assert np.array_equal(array, alone[field])
    finally:
        supply.close()


def test_workers_make_batches_and_not_the_training_process(three: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    made_here = []
    monkeypatch.setattr(Augmenter, "batch", lambda self, indices, epoch: made_here.append(len(indices)) or PART)
    assert len(epochs(three, 2)) == 14
    assert made_here == [8, 8]  # the first of each epoch, for which there is no time ahead


def test_an_epoch_that_is_left_in_its_middle_disturbs_none_after_it(three: Batches) -> None:
    for _ in zip(range(2), three.in_order(epoch_order(SAMPLES, 5, 7), 7), strict=False):
        pass
    for ours, theirs in zip(epochs(batches(0), 1), epochs(three, 1), strict=True):
        assert np.array_equal(ours["input/input"], theirs["input/input"])


def test_a_worker_that_is_killed_is_told_with_its_sample(three: Batches) -> None:
    found = three.in_order(epoch_order(SAMPLES, 5, 0), 0)
    next(found)
    victim = workers_of(three)[1].process
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(RunError, match=rf"NS913.*worker 2, process {victim.pid}, was ended by SIGKILL") as raised:
        list(found)
    assert "sample" in str(raised.value) or "while it started" in str(raised.value)
    assert "--resume" in str(raised.value)


def test_a_worker_that_fails_names_the_sample_and_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = labelled(IMAGES, PART["label"])
    made = batches(1, (Cutout(size=2),), broken)
    try:
        workers = until_ready(made)._workers
        assert workers is not None
        # A sample that there is not is what a worker cannot make.
        with pytest.raises(RunError, match=r"NS912.*worker 1 cannot make sample 99 .*out of bounds"):
            list(workers.batches("train", np.array([1] * 8 + [99]), 8, 0))
    finally:
        close(made)


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.data.workers.PROGRAM", "raise SystemExit('no such luck')")
    made = Workers({"train": Augmenter(PART, AUGMENT, 5, TARGETS)}, 8, 1)
    try:
        with pytest.raises(RunError, match=r"NS913.*ended with status 1 while it started; it last said: no such luck"):
            made._listen(None)
    finally:
        close(made)


def test_closing_ends_all_workers_and_leaves_nothing(three: Batches) -> None:
    processes = [worker.process for worker in workers_of(three)]
    descriptors = len(os.listdir("/proc/self/fd"))
    close(three)
    assert all(process.returncode == -signal.SIGKILL for process in processes)
    assert len(os.listdir("/proc/self/fd")) <= descriptors - 2 * 3 - 2  # pipes and messages, and two blocks


PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
import numpy as np
from tests.data.test_workers import batches, until_ready, epoch_order, SAMPLES
made = until_ready(batches(2))
found = made.in_order(epoch_order(SAMPLES, 5, 0), 0)
next(found)
print(*[worker.process.pid for worker in made._workers._workers], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_training_process_and_leave_no_memory(number: int, repository: Path) -> None:
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=repository, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        processes = [int(word) for word in parent.stdout.readline().split()]
        assert len(processes) == 2
        parent.send_signal(number)
        parent.wait()
        said = parent.stderr.read()
    deadline = time.monotonic() + 20
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_lives(process) for process in processes)
    assert (set(shared.iterdir()) if shared.is_dir() else set()) <= before
    assert said.count("Traceback") == (number == signal.SIGINT)  # this program's own, and none of a worker


def _lives(process: int) -> bool:
    """Whether a process runs; one that has ended and is not yet buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("wanted", "samples", "cores", "count"),
    [
        (None, 100_000, 8, 7),
        (None, 100_000, 64, 8),
        (None, 100_000, 1, 1),
        (None, 5000, 8, 0),
        (3, 10, 2, 3),
        (0, 10**6, 8, 0),
    ],
)
def test_how_many_workers_there_are(wanted: int | None, samples: int, cores: int, count: int) -> None:
    assert worker_count(wanted, samples, cores) == count


def test_samples_that_nothing_is_done_to_need_no_workers() -> None:
    assert batches(3, ())._workers is None
