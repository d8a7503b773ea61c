"""Many specs in one run: what is asked of each, and the processes that share the work where that pays."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from netspec.diagnostics import Diagnostic
from netspec.lint.configuration import configuration_for
from netspec.lint.engine import Report, examine
from netspec.lint.settings import DEFAULT, Settings
from netspec.syntax.load import READ, ReadOptions
from netspec.syntax.source import Source, read_source

POOL_FROM = 200
"""Specs from which on more processes are worth their start, which takes as long as some hundred small specs."""
_CHUNK = 16
_UNREADABLE = ("NS006", "NS007", "NS008", "NS199", "NS918", "NS919", "NS920")


class Job(NamedTuple):
    """What is asked of every spec: ``mend`` looks for fixes too, ``unsafe`` for those that may change a meaning."""

    overrides: tuple[str, ...] = ()
    settings: Settings = DEFAULT
    options: ReadOptions = READ
    plugins: bool = True
    mend: bool = False
    unsafe: bool = False


class Outcome(NamedTuple):
    """What came out for one spec. ``texts`` hold what the findings are about; ``mended`` is the text after fixes."""

    file: str
    diagnostics: Sequence[Diagnostic]
    texts: Mapping[str, str]
    before: str = ""
    mended: str | None = None
    fixes: int = 0

    @property
    def unreadable(self) -> bool:
        """Whether the spec, or the settings that hold for it, could not be read."""
        return any(diagnostic.code in _UNREADABLE for diagnostic in self.diagnostics)


def lint_files(names: Sequence[str], job: Job) -> Iterator[Outcome]:
    """Each spec in turn, the outcomes in the order of the names."""
    workers = min(_cores(), len(names) // (POOL_FROM // 2))
    if len(names) < POOL_FROM or workers < 2:
        yield from (lint_file(name, job) for name in names)
        return
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job.plugins,)) as pool:
        with _deaf_to_interrupts():  # from their first moment, in which a process imports what it needs
            outcomes = pool.map(partial(lint_file, job=job), names, chunksize=_CHUNK)
        yield from outcomes


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that start in this block leave Ctrl-C, which goes to all of them, to the one that started them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def lint_file(name: str, job: Job) -> Outcome:
    """One spec, read from its file."""
    source = read_source(name)
    if isinstance(source, Diagnostic):
        return Outcome(name, (source,), {})
    return lint_source(source, job)


def lint_source(source: Source, job: Job) -> Outcome:
    """One spec, whose name says which settings hold for it."""
    configuration = configuration_for(Path(source.name))
    settings = job.settings.over(configuration.of(Path(source.name)))

    def examined(source: Source) -> Report:
        return examine(source, job.overrides, settings, job.options, job.plugins)

    report, before = examined(source), source.text
    mended, fixes = None, 0
    if job.mend:
        from netspec.lint.fixes import mend

        found = mend(source, lambda source: examined(source).diagnostics, job.unsafe)
        mended, fixes, report = found.source.text, found.fixes, examined(found.source)
    diagnostics = (*configuration.diagnostics, *report.diagnostics)
    about = {span.file for d in diagnostics for span in (d.span, *(note.span for note in d.notes))}
    texts = {file: text for file, text in {**report.texts, **configuration.texts}.items() if file in about}
    return Outcome(source.name, diagnostics, texts, before if job.mend else "", mended, fixes)


def _begin(plugins: bool) -> None:
    """What a new process does first."""
    if not plugins:
        from netspec.declarations import use_plugins

        use_plugins(False)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
