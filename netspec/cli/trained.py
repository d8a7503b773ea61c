"""What the commands share that put a trained network to use: a run, or a bundle or spec with weights."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from netspec.cli.common import ZOO, backend_option, load, threads_option

if TYPE_CHECKING:
    from netspec.training.open_run import OpenRun
    from netspec.training.runs import Kept
    from netspec.training.tuned import Tuned

F = TypeVar("F", bound=Callable[..., Any])


_AS_SET = "--set train.data"
"""What diagnostics call the text that stands in the place of a run's data."""
_FILES = {".npz": "npz", ".csv": "csv"}
"""The source of a file that ``--data`` names, by its ending."""


class Trained(NamedTuple):
    """What the command line says of the network to use; ``option`` is what names the weights of a bundle or a spec."""

    place: str
    weights: Path | None
    kept: Kept | None
    averaged: bool
    backend: str
    threads: int | None
    option: str

    @property
    def may_need_none(self) -> bool:
        """Whether a spec is meant without any weights, which may follow from it."""
        named = self.place.startswith(ZOO) or Path(self.place).is_file()
        return named and self.weights is None and self.kept is None and not self.averaged

    @property
    def is_run(self) -> bool:
        """Whether a run directory is meant; a usage error where the command line does not say which weights are."""
        if self.place.startswith(ZOO) or Path(self.place).is_file():
            if self.weights is None:
                raise click.UsageError(f"{self.place!r} holds no weights: name them with {self.option} FILE")
            if self.kept is not None or self.averaged:
                chooses = "--checkpoint and --averaged choose within a run directory"
                raise click.UsageError(f"{chooses}; {self.option} names a file")
            return False
        if self.weights is not None:
            raise click.UsageError(f"{self.place!r} is no bundle or spec: a run directory has weights of its own")
        return True


def trained_options(function: F, weights_option: str = "--weights") -> F:
    """The argument RUN and the options that say which weights are meant, and what runs them.

    The command is given ``trained`` in their place. ``weights_option`` names the weights of a bundle or a spec.
    """

    @functools.wraps(function)
    def command(
        *arguments: Any,
        run: str,
        weights: Path | None,
        kept: Kept | None,
        averaged: bool,
        threads: int | None,
        backend: str,
        **options: Any,
    ) -> Any:
        trained = Trained(run, weights, kept, averaged, backend, threads, weights_option)
        return function(*arguments, trained=trained, **options)

    options: tuple[Callable[[Any], Any], ...] = (
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
        command = option(command)
    return command  # type: ignore[return-value]  # click's decorators keep what they are given


def open_trained(given: Trained, data: str | None = None, tuned: Path | None = None) -> OpenRun:
    """The network with its weights, with its own data or what ``data`` names, a path from the current folder or a
    source. A usage error where the command line does not say which weights are meant.

    It takes the algorithms in the file ``tuned``, else those that its run began with; NS172 where they are of others.
    """
    from netspec.training.threads import available_threads
    from netspec.training.tuned import read_tuned

    threads = given.threads or available_threads()
    # A share of other data that is kept aside would be kept from the part that is asked for.
    changes = () if data is None else (f"train.data={_source(data)}", "train.validation=0")
    measured = None if tuned is None else read_tuned(tuned)
    with _said_by_data():
        opened = _opened(given, changes, threads, measured)
    if measured is not None:
        measured.refuse_others(opened.runtime.conditions(), "infer")
    return opened if data is None else replace(opened, spec_folder=Path())


def _opened(given: Trained, changes: tuple[str, ...], threads: int, tuned: Tuned | None) -> OpenRun:
    from netspec.training.open_run import open_as_drawn, open_run, open_weights

    if given.may_need_none:
        drawn = open_as_drawn(load(given.place, changes), given.backend, threads, tuned)
        if drawn is not None:
            return drawn
    if given.is_run:
        kept, place = given.kept or "last", Path(given.place)
        return open_run(place, kept, given.backend, threads, changes, given.averaged, tuned=tuned)
    assert given.weights is not None
    return open_weights(load(given.place, changes), given.weights, given.backend, threads, tuned)


@contextmanager
def _said_by_data() -> Iterator[None]:
    """Mistakes in what was put in the place of the run's data are told as those of ``--data``."""
    from netspec.diagnostics import SpecError

    try:
        yield
    except SpecError as error:
        told = [
            replace(each, span=each.span._replace(file="--data")) if each.span.file == _AS_SET else each
            for each in error.diagnostics
        ]
        sources = {"--data" if name == _AS_SET else name: text for name, text in error.sources.items()}
        raise SpecError(told, sources) from None


def _source(data: str) -> str:
    """What a spec would have behind ``data:``; NS905 for what can only be a path, and is not there."""
    from netspec.core.declare import REGISTRIES
    from netspec.data.files import fault
    from netspec.syntax.suggestions import closest

    path = Path(data)
    known = [each.name for each in REGISTRIES["source"].public()]
    is_word = re.fullmatch(r"[\w-]+", data) is not None
    if not path.exists() and (len(path.parts) > 1 or path.suffix.lower() in _FILES or (is_word and data not in known)):
        advice = "--data takes a folder with images in a folder for each class, a table or archive, or a source's name"
        guess = closest(data, known) if is_word else None
        problem = "there is no such file or folder" + (", and no source of that name" if is_word else "")
        raise fault(path, problem, f"did you mean '{guess}'? {advice}" if guess else advice)
    kind = "folder" if path.is_dir() else _FILES.get(path.suffix.lower())
    return json.dumps({kind: data}) if kind and path.exists() else data
