"""Several ranks that run one command: how they come together, and how they fail as one."""

from __future__ import annotations

import functools
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netspec.cli.common import exit_status, fail, note

if TYPE_CHECKING:
    from netspec.distributed.communicator import Communicator
    from netspec.distributed.mpi import MpiWorld
    from netspec.distributed.start import Joined

F = TypeVar("F", bound=Callable[..., Any])
PATIENCE = 25
"""Seconds that a rank may keep the others waiting: so that all have ended within 30."""
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ranks:
    """The ranks that run a command, as one of them sees it."""

    world: Communicator
    host: str
    distributed: bool = False
    mpi: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leads(self) -> bool:
        """Whether this is the rank that writes the run and speaks."""
        return self.world.rank == 0


def ranks_option(function: F) -> F:
    """``--distributed`` and ``--rank-timeout``; the command is given ``ranks`` in their place."""

    @functools.wraps(function)
    def command(*arguments: Any, distributed: bool, rank_timeout: float, **options: Any) -> Any:
        with _joined(distributed, rank_timeout) as ranks:
            return function(*arguments, ranks=ranks, **options)

    help_ = "Train on all ranks that mpiexec started: they share each batch. Needs the extra [mpi]."
    flag = click.option("--distributed", is_flag=True, help=help_)
    timeout = click.option(
        "--rank-timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=1),
        default=PATIENCE,
        show_default=True,
        help="How long a rank may keep the others waiting before all of them end.",
    )
    return flag(timeout(command))  # type: ignore[return-value]  # click's decorators keep what they are given


@contextmanager
def _joined(distributed: bool, patience: float) -> Iterator[Ranks]:
    if not distributed:
        from netspec.distributed.communicator import ALONE

        yield Ranks(ALONE, socket.gethostname())
        return
    from netspec.distributed.start import join

    joined = join(patience)
    if joined.world.size == 1:
        note("this is a world of one rank; 'mpiexec -n 4 netspec train ... --distributed' starts four")
    try:
        yield Ranks(joined.world, joined.host, True, joined.mpi)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        _end_all(joined, error)
        raise
    joined.watcher.dismiss()


def _end_all(joined: Joined, error: BaseException) -> None:
    """Return where all ranks fail alike and this is the one to say it; all others end here."""
    world = joined.world
    stopped = isinstance(error, (KeyboardInterrupt, SystemExit, click.Abort))
    lowest = world.fails_alike("stopped" if stopped else f"{type(error).__name__}: {error}")
    joined.watcher.dismiss()
    if lowest is not None:
        _end_alone(world, error, lowest)
    if world.rank != 0:
        sys.exit(_status(error))


def _end_alone(world: MpiWorld, error: BaseException, lowest: int) -> None:
    """Say why this rank fails, if it is the lowest of those that do, and end all of them."""
    from netspec.distributed.communicator import HangError

    status = _status(error)
    if world.rank == lowest:
        if not isinstance(error, HangError):
            click.echo(f"rank {world.rank} on {world.hosts[world.rank]} failed, which ends all:", err=True)
        if isinstance(error, click.ClickException):
            error.show()
        elif isinstance(error, Exception):
            fail(error)
        else:
            click.echo("interrupted", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI would say in its own words that all are ended
    world.abort(status)


def _status(error: BaseException) -> int:
    """The exit status that an error calls for."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    return exit_status(error)
