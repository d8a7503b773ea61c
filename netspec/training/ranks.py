"""Ranks that train one network: that they are about to do the same, from the same state, and who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from netspec import __version__
from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import Communicator
from netspec.passes.step import SUM
from netspec.training.checkpoints import Course
from netspec.training.position import Position, Underway
from netspec.training.runs import Run
from netspec.training.runtime import Runtime
from netspec.training.state import read_state
from netspec.training.threads import available_threads, cores

_COMPARED = {
    "seed": "seed",
    "epochs": "number of epochs",
    "batch": "batch",
    "backend": "backend",
    "recipe": "recipe",
    "data": "data",
    "plan_sha256": "plan, which follows from the network, its training and the processor,",
    "checkpoint_every": "--checkpoint-every",
    "versions": "installed version",
}
"""What has to be the same for all ranks, and what it is called."""


def threads_of_ranks(world: Communicator, host: str) -> int:
    """Threads for this rank, where nothing is said of them: its part of the cores that it shares on its ``host``.

    A core that several ranks may use counts for each in parts, and each gets one thread at least.
    """
    ranks = world.gather({"host": host, "cores": sorted(cores())})
    here = [set(each["cores"]) for each in ranks if each["host"] == host]
    own = sum(1 / sum(core in others for others in here) for core in cores())
    return max(1, min(int(own + 1e-9), available_threads() // len(here) if len(here) > 1 else available_threads()))


def refuse_other_versions(world: Communicator, host: str) -> None:
    """NS952 where a rank runs another netspec. It comes first: what versions make of a spec need not compare."""
    _refuse_differences(world, host, {"netspec": __version__}, {"netspec": "version of netspec"})


def refuse_other_runs(world: Communicator, host: str, facts: Mapping[str, Any]) -> None:
    """NS952 where a rank would train something else; ``facts`` is what its manifest would say."""
    _refuse_differences(world, host, {**facts, "data": facts["data"]["sha256"]}, _COMPARED)


def _refuse_differences(world: Communicator, host: str, facts: Mapping[str, Any], names: Mapping[str, str]) -> None:
    first, *others = world.gather({"host": host, **{key: facts.get(key) for key in names}})
    for rank, other in enumerate(others, 1):
        for key, name in names.items():
            if other[key] != first[key]:
                found, expected = _telling(other[key], first[key])
                about = {"rank": rank, "host": other["host"], "first": first["host"]}
                raise RunError.of("NS952", **about, name=name, found=found, expected=expected)


def _telling(found: Any, expected: Any) -> tuple[str, str]:
    """Two things that differ, in as few words as tell them apart."""
    if isinstance(found, dict) and isinstance(expected, dict):
        key = next(key for key in expected | found if found.get(key) != expected.get(key))
        return f"{key}: {found.get(key)}", f"{key}: {expected.get(key)}"
    return (str(found)[:12], str(expected)[:12]) if len(str(found)) == 64 else (str(found), str(expected))


def world_document(world: Communicator, host: str, threads: int, mpi: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of the world."""
    ranks = world.gather({"host": host, "threads": threads})
    return {"size": world.size, "mpi": dict(mpi), "ranks": ranks}


def begin_alike(run: Run | None, begin: Position, runtime: Runtime, facts: Mapping[str, Any]) -> tuple[Run, Position]:
    """Bring all ranks to where rank 0 is, whose ``run`` it is: its state, and its place in the run."""
    world = runtime.world
    said = run and {"folder": str(run.folder), "last": run.last, "course": asdict(run.course), "begin": asdict(begin)}
    place: dict[str, Any] = world.gather(said)[0]
    for slot in (*runtime.weights, *runtime.moments):
        array = np.asarray(runtime.state.read(slot.name), order="C")  # which leaves a scalar one
        world.give(array)
        runtime.state.write(slot.name, array)
    keep_sums_once(runtime)
    if run is not None:
        return run, begin
    course = place["course"]
    followed = Course(course["best"], course["lowest"], tuple(course["metrics"]), tuple(course["timings"]))
    underway = place["begin"].pop("underway")
    reached = Position(**place["begin"], underway=underway and Underway(**underway))
    return Run.following(Path(place["folder"]), facts, followed, place["last"]), reached


def keep_sums_once(runtime: Runtime) -> None:
    """Leave the sums that wait for an update to rank 0: in a checkpoint they are those of all ranks."""
    for slot in runtime.moments:
        if runtime.world.rank and slot.name.endswith(f":{SUM}"):
            runtime.state.write(slot.name, np.zeros(slot.param.shape, np.float32))


def whole_moments(runtime: Runtime) -> dict[str, Array]:
    """What the optimiser remembers, for a checkpoint; sums that wait for an update are those of all ranks."""
    found = read_state(runtime.state, runtime.moments)
    if runtime.world.size > 1:
        for name in [name for name in found if name.endswith(f":{SUM}")]:
            total = runtime.world.sums(found[name].reshape(-1).astype(np.float64))
            found[name] = total.reshape(found[name].shape).astype(np.float32)
    return found
