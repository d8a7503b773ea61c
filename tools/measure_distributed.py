"""Two ranks of one thread each against one process of two threads, on the same batches, turn by turn.

``python tools/measure_distributed.py [--spec zoo:resnet20] [--batch 64] [--steps 20] [--rounds 5]`` prints images per
second of both, the median over the rounds, and their ratio; and the ratio of the CPU time that a step takes, which says
more where other programs run. The data are random images, the steps those of training.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WARM_UP = 3
"""Steps that are not counted."""


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spec", default="zoo:resnet20")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side is not None:
        _side(given, given.side)
        return
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for turn in range(given.rounds):
        for ranks in (1, 2) if turn % 2 else (2, 1):
            found[ranks].append(_run(ranks))
    medians = {
        ranks: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for ranks, rounds in found.items()
    }
    for ranks, name in ((1, "1 process, 2 threads"), (2, "2 ranks, 1 thread each")):
        images, cpu = medians[ranks]["images"], medians[ranks]["cpu"] * 1e3
        print(f"{name:<24} {images:8.1f} images/s   {cpu:8.1f} ms of CPU time/step")
    print(f"{'ratio of images/s':<24} {medians[2]['images'] / medians[1]['images']:8.3f}")
    print(f"{'ratio of CPU time':<24} {medians[2]['cpu'] / medians[1]['cpu']:8.3f}")


def _run(ranks: int) -> dict[str, float]:
    program = [sys.executable, *sys.argv, f"--side={3 - ranks}"]
    launcher = [] if ranks == 1 else [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks)]
    done = subprocess.run([*launcher, *program], stdout=subprocess.PIPE, check=True, text=True, env=dict(os.environ))
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _side(given: argparse.Namespace, threads: int) -> None:
    """One process with so many threads, or a rank; the first of them prints what it took."""
    import numpy as np

    from netspec.backend import find_backend
    from netspec.cli.common import find_source
    from netspec.data.dataset import labelled
    from netspec.distributed.communicator import ALONE, Communicator
    from netspec.syntax.load import load_spec
    from netspec.training.loop import train_step
    from netspec.training.position import Position
    from netspec.training.runtime import Runtime

    world: Communicator = ALONE
    if threads == 1:
        from netspec.distributed.mpi import MpiWorld

        world = MpiWorld(60)
    spec = load_spec(find_source(given.spec))
    runtime = Runtime(spec.graph, spec.recipe, find_backend("numba"), given.batch, threads, True, world)
    rng, shape = np.random.default_rng(world.rank), spec.graph.inputs[0].type.shape
    (head,) = spec.graph.heads.values()
    part: Any = labelled(
        rng.integers(0, 256, (runtime.split.own, *shape), dtype=np.uint8),
        rng.integers(0, head.type.channels, runtime.split.own).astype(np.int32),
    )
    loaded, fed = runtime.load("train", runtime.train_type(part)), runtime.prepared(part)
    for step in range(1, WARM_UP + 1):
        train_step(runtime, loaded, fed, 0.001, Position(0, step))
    begun, cpu = time.perf_counter(), time.process_time()
    for step in range(WARM_UP + 1, WARM_UP + given.steps + 1):
        train_step(runtime, loaded, fed, 0.001, Position(0, step))
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    total = float(world.sums(np.array([used]))[0])
    if world.rank == 0:
        print(json.dumps({"images": given.batch * given.steps / seconds, "cpu": total / given.steps}), flush=True)


if __name__ == "__main__":
    main()
