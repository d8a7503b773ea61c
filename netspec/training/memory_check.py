"""Whether a run fits into the memory that it may have, found out before any of it is taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from netspec.core.graph import Slot
from netspec.core.host import available_memory, fields_of, lines_of
from netspec.data.batches import with_work
from netspec.data.dataset import Part
from netspec.data.ondemand import on_demand
from netspec.data.workers import shared_bytes
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.text import size
from netspec.training.runtime import Runtime

_FLOAT = 4
"""Bytes of a number of the state."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on memory: what sets it, and the bytes that it leaves."""

    name: str
    left: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Bytes that a run takes, by what for. ``data`` is held already when this is asked."""

    weights: int
    """Weights, statistics, and what the optimiser remembers."""
    training: int
    """The arena of a training step."""
    validation: int
    """The arena of the plan that scores the other parts; it stays beside that of training."""
    checkpoints: int
    """What writing a checkpoint holds at once: a copy of weights and moments, and the bytes of one of their files."""
    data: int
    decoded: int = 0
    """Samples that are decoded on demand, and kept then."""
    workers: int = 0
    """What worker processes share with this one: a ring of batches, and a copy of the samples."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.ahead + self.data

    @property
    def ahead(self) -> int:
        """What is yet to be taken."""
        return self.weights + self.training + self.validation + self.checkpoints + self.decoded + self.workers

    def parts(self) -> dict[str, int]:
        """What there is any need for, by name."""
        named = {
            "weights and optimizer": self.weights,
            "training step": self.training,
            "validation": self.validation,
            "a copy to write checkpoints from": self.checkpoints,
            "data": self.data,
            "decoded data": self.decoded,
            "workers": self.workers,
        }
        return {name: count for name, count in named.items() if count}

    def document(self) -> dict[str, int]:
        """Plain data for JSON."""
        names = ("weights", "training", "validation", "checkpoints", "data", "decoded", "workers")
        return {f"{name}_bytes": getattr(self, name) for name in names}


def demand(runtime: Runtime, train: Part, *scored: Part, batch: int | None = None) -> Demand:
    """What training on ``train`` and scoring on the other parts takes, at this batch or the runtime's own.

    Next to nothing is allocated: the planner lays everything out on paper, and where there are workers one sample is
    made as they would.
    """
    most = batch or runtime.batch
    training = runtime.planned("train", runtime.train_type(train), most)
    dtypes = {runtime.input_type(part.inputs) for part in scored if len(part)}
    scoring = (runtime.planned("evaluate", dtype, most).arena_bytes for dtype in dtypes)
    held, later = _held(train, *scored)
    state = training.state_bytes
    copies, shared = state + _largest_file(training.graph.slots), _of_workers(runtime, (train, *scored), most)
    return Demand(state, training.arena_bytes, sum(scoring), copies, held, later, shared)


def _largest_file(slots: Iterable[Slot]) -> int:
    """Bytes of the larger of a checkpoint's two files: one of weights, one of moments."""
    files = {True: 0, False: 0}
    for slot in slots:
        files[slot.kind == "moment"] += _FLOAT * prod(slot.param.shape)
    return max(files.values())


def _of_workers(runtime: Runtime, parts: Iterable[Part], batch: int) -> int:
    """Bytes that worker processes share, where there are any."""
    augmenters = runtime.augmenters(*parts)
    return shared_bytes(with_work(augmenters), batch, runtime.workers(augmenters, runtime.recipe.epochs))


def _held(*parts: Part) -> tuple[int, int]:
    """Bytes of samples that are in memory, and of those that come to be as they are decoded; each counted once."""
    held, later = dict[int, int](), dict[int, int]()
    for array in (array for part in parts for array in part.fields.values()):
        decoded = on_demand(array)
        if decoded is None:
            held[id(array)] = array.nbytes
        else:
            later[id(decoded.block)] = decoded.block.size
    return sum(held.values()), sum(later.values())


def refuse_what_does_not_fit(runtime: Runtime, limits: Iterator[Limit], train: Part, *scored: Part) -> Demand:
    """What a run takes; NS902 where a limit leaves less, with the largest batch that would fit,
    or, where none would, the layer that holds most parameters."""
    needed = demand(runtime, train, *scored)
    tightest = min(limits, key=lambda limit: limit.left, default=None)
    if tightest is None or needed.ahead <= tightest.left:
        return needed
    fits = _largest_batch(runtime, tightest.left, train, *scored)
    raise RunError.of(
        "NS902",
        needed=size(needed.total),
        parts=", ".join(f"{name} {size(count)}" for name, count in needed.parts().items()),
        limit=tightest.name,
        available=size(tightest.left + needed.data),
        batch=fits,
        **({} if fits else _largest_layer(runtime.network.slots)),
    )


def _largest_layer(slots: Iterable[Slot]) -> dict[str, str]:
    """The layer that holds most parameters, and its share of them; nothing where there are none."""
    held: dict[str, int] = {}
    for slot in slots:
        if slot.kind == "parameter":
            layer = slot.name.rpartition(".")[0]
            held[layer] = held.get(layer, 0) + prod(slot.param.shape)
    if not held:
        return {}
    layer = max(held, key=held.__getitem__)
    return {"layer": layer, "parameters": f"{held[layer]:,}", "share": f"{held[layer] / sum(held.values()):.0%}"}


def _largest_batch(runtime: Runtime, room: int, train: Part, *scored: Part) -> int | None:
    """The largest batch below the runtime's whose run fits into ``room`` bytes; ``None`` where not even one does."""
    fits, too_large = 0, runtime.batch
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if demand(runtime, train, *scored, batch=middle).ahead <= room:
            fits = middle
        else:
            too_large = middle
    return fits or None


def memory_limits(root: Path = Path("/")) -> Iterator[Limit]:
    """All that bounds the memory of this process, as far as the system tells; Linux does.

    ``root`` is where ``proc`` and ``sys`` are. What files hold in memory only to be fast counts as free.
    """
    left = available_memory(root)
    if left is not None:
        yield Limit("the machine's memory", left)
    yield from _group_limits(root)
    yield from _process_limit(root)


def _group_limits(root: Path) -> Iterator[Limit]:
    """The limits of the control groups that the process is in, such as a container's, and of those around them."""
    for line in lines_of(root / "proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path may be that of the host, and what is mounted the group itself.
        inner = mount / path.lstrip("/")
        for folder in (inner, *inner.parents):
            limit = _group_limit(folder, *names)
            if limit is not None:
                yield limit
            if folder == mount:
                break


def _group_limit(folder: Path, most: str, used: str, idle: str) -> Limit | None:
    bound, taken = (_number(folder / name) for name in (most, used))
    if bound is None or taken is None:
        return None
    return Limit("the control group's limit", bound - taken + fields_of(folder / "memory.stat").get(idle, 0))


def _process_limit(root: Path) -> Iterator[Limit]:
    """What ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    bound = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = next(iter(lines_of(root / "proc/self/statm")), "").split()
    if bound != resource.RLIM_INFINITY and pages:
        yield Limit("the process's limit (ulimit -v)", bound - int(pages[0]) * os.sysconf("SC_PAGE_SIZE"))


def _number(file: Path) -> int | None:
    """The number in a file; ``None`` where there is none, such as where it says ``max``."""
    text = "".join(lines_of(file))
    return int(text) if text.isdecimal() else None
