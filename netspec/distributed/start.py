"""Coming together: from a process that a launcher has started to a rank that knows the others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.errors import RunError
from netspec.distributed.watcher import Watcher

if TYPE_CHECKING:
    from netspec.distributed.mpi import MpiWorld

LAUNCHERS = {"Open MPI's mpiexec": "OMPI_COMM_WORLD_SIZE", "MPICH's mpiexec": "PMI_SIZE"}
"""In which variable a launcher says how many ranks it has started."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A rank among the others."""

    world: MpiWorld
    host: str
    watcher: Watcher
    mpi: Mapping[str, Any]
    """The library and its version, for the manifest."""


def join(patience: float, environment: Mapping[str, str] = os.environ) -> Joined:
    """Join the ranks of MPI's world, where nobody may keep the others waiting for more than ``patience`` seconds.

    NS950 where there is no MPI, NS951 where the launcher is another MPI's, so that each rank would see itself alone.
    """
    os.environ.setdefault("MPIR_CVAR_SUPPRESS_ABORT_MESSAGE", "1")  # what ends the ranks is said by one of them
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"
        from mpi4py import MPI

        from netspec.distributed.mpi import MpiWorld
    except (ImportError, RuntimeError) as error:  # a RuntimeError where there is no MPI library to load
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError.of("NS950", problem=problem) from error
    library = MPI.Get_library_version().splitlines()[0].strip("\0 ")
    size = MPI.COMM_WORLD.Get_size()
    for launcher, variable in LAUNCHERS.items():
        started = environment.get(variable, "1")
        if started.isdigit() and int(started) > 1 == size:
            raise RunError.of("NS951", launcher=launcher, started=started, library=library, size="one")
    world = MpiWorld(patience)
    host = world.hosts[world.rank]
    here = [(rank, world.processes[rank]) for rank in range(size) if world.hosts[rank] == host]
    first = here[0][0] == world.rank
    watcher = Watcher.start(host, here) if first and size > 1 else Watcher(0)
    known = world.gather(watcher.process)
    standard = ".".join(map(str, MPI.Get_version()))
    return Joined(
        world, host, watcher if first else Watcher(known[here[0][0]]), {"library": library, "standard": standard}
    )
