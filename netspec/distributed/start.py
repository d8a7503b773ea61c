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

LAUNCHERS = {
    "Open MPI's mpiexec": ("OMPI_COMM_WORLD_SIZE", ("MPICH", "Intel")),
    "MPICH's mpiexec": ("PMI_SIZE", ("Open MPI",)),
}
"""In which variable a launcher says how many ranks it has started, and the libraries that it is not for.

Of these, some end the process when they are initialised under it.
"""


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

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
        from mpi4py import MPI

        from netspec.distributed.mpi import MpiWorld
    except (ImportError, RuntimeError) as error:  # a RuntimeError where there is no MPI library to load
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError.of("NS950", problem=problem) from error
    library = MPI.Get_library_version().splitlines()[0].strip("\0 ")
    started = {
        launcher: (environment.get(variable, "1"), library.startswith(foreign))
        for launcher, (variable, foreign) in LAUNCHERS.items()
    }
    started = {launcher: found for launcher, found in started.items() if found[0].isdigit() and int(found[0]) > 1}
    for launcher, (ranks, foreign) in started.items():
        if foreign:
            raise RunError.of("NS951", launcher=launcher, started=ranks, library=library)
    if not MPI.Is_initialized():
        MPI.Init_thread(MPI.THREAD_FUNNELED)
    size = MPI.COMM_WORLD.Get_size()
    for launcher, (ranks, _) in started.items():
        if size == 1:
            raise RunError.of("NS951", launcher=launcher, started=ranks, library=library, size="one")
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
