"""What the commands share that put a trained network to use: a run, or a bundle or spec with weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from netspec.cli.common import ZOO, backend_option, load, threads_option

if TYPE_CHECKING:
    from netspec.training.open_run import OpenRun
    from netspec.training.runs import Kept

F = TypeVar("F", bound=Callable[..., Any])


class Trained(NamedTuple):
    """What the command line says of the network to use."""

    place: str
    weights: Path | None
    kept: Kept | None
    averaged: bool
    backend: str
    threads: int | None


def trained_options(function: F, weights_option: str = "--weights") -> F:
    """The argument RUN and the options that say which weights are meant, and what runs them.

    ``weights_option`` is what names the weights of a bundle or a spec.
    """
    options: tuple[Callable[[F], F], ...] = (
        click.argument("run", metavar="RUN"),
        click.option(
            weights_option,
            "weights",
            type=click.Path(path_type=Path),
            help="Where RUN is a bundle or a spec: its weights, a safetensors file or a run directory.",
        ),
        click.option(
            "--checkpoint",
            "kept",
            type=click.Choice(["last", "best"]),
            help="Of a run the weights of the last epoch, which is the default, or of the one with the lowest "
            "validation loss.",
        ),
        click.option("--averaged", is_flag=True, help="Of a run the moving average of its weights, if it made one."),
        threads_option,
        backend_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def open_trained(given: Trained, changes: tuple[str, ...] = ()) -> OpenRun:
    """The network with its weights; a usage error where the command line does not say which.

    ``changes`` are ``name=value``, as behind ``--set``.
    """
    from netspec.training.open_run import open_run, open_weights
    from netspec.training.threads import available_threads

    threads = given.threads or available_threads()
    if given.place.startswith(ZOO) or Path(given.place).is_file():
        if given.weights is None:
            raise click.UsageError(f"{given.place!r} holds no weights: name them with --weights FILE")
        if given.kept is not None or given.averaged:
            raise click.UsageError("--checkpoint and --averaged choose within a run directory; --weights names a file")
        return open_weights(load(given.place, changes), given.weights, given.backend, threads)
    if given.weights is not None:
        raise click.UsageError(f"{given.place!r} is no bundle or spec: a run directory has weights of its own")
    return open_run(Path(given.place), given.kept or "last", given.backend, threads, changes, given.averaged)
