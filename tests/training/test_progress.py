"""What a person sees: nothing, lines, or a bar."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from netspec.training.progress import Bar, EpochResult, Lines, Silence, describe, make_progress
from netspec.training.progress_notebook import Notebook
from netspec.training.scores import Scores

RESULT = EpochResult(2, 6, 0.1, Scores(0.25, {"accuracy": 0.9}), Scores(0.5, {"accuracy": 0.8}), 1000, 0.5)
LINE = "epoch  2/10  loss 0.2500  accuracy 0.9000  validation loss 0.5000  accuracy 0.8000  0.50 s  2,000 samples/s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_fitting_one_is_chosen() -> None:
    assert isinstance(make_progress(True, Terminal()), Silence)
    assert isinstance(make_progress(False, io.StringIO()), Lines)
    assert isinstance(make_progress(False, Terminal()), Bar)


def test_lines_say_what_takes_time_and_how_an_epoch_went() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.preparing("compiling kernels")
    lines.begin(2, 10, 5)
    lines.step(1.0)
    lines.end(RESULT)
    lines.close()
    assert stream.getvalue() == f"compiling kernels ...\n{LINE}\n"


def test_lines_say_how_far_an_epoch_is_that_takes_long() -> None:
    stream = io.StringIO()
    times = iter([0.0, 0.0, 10.0, 29.0, 31.0, 31.0, 32.0, 60.0, 61.5, 61.5])  # a line that is written asks once more
    lines = Lines(stream, times.__next__)
    lines.begin(2, 10, 500, done=100)
    for _ in range(6):
        lines.step(0.5)
    assert stream.getvalue() == "epoch  2/10  step 103/500  loss 0.5000\nepoch  2/10  step 106/500  loss 0.5000\n"


def test_a_notebook_has_one_output_that_changes() -> None:
    shown: list[str] = []

    class Handle:
        def update(self, page: Any) -> None:
            shown.append(page._repr_html_())

    def display(page: Any, display_id: bool) -> Handle:
        shown.append(page._repr_html_())
        return Handle()

    time = 0.0
    progress = Notebook(display, lambda: time)
    progress.preparing("compiling <kernels>")
    progress.begin(2, 10, 1000)
    for step in range(1000):
        time = step * 0.001
        progress.step(0.5)
    progress.end(RESULT)
    progress.close()
    assert "compiling &lt;kernels&gt; …" in shown[0]
    assert '<progress value="0" max="1000"></progress> 0/1000' in shown[1]
    assert len(shown) <= 13
    assert LINE in shown[-1]
    assert "<progress" not in shown[-1]


def test_a_bar_is_redrawn_only_now_and_then_and_leaves_the_epochs_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    stream, time = Terminal(), 0.0
    bar = Bar(stream, lambda: time)
    bar.preparing("compiling kernels")
    bar.begin(2, 10, 1000)
    sizes = []
    for step in range(1000):
        time = step * 0.001
        bar.step(0.5)
        sizes.append(len(stream.getvalue()))
    assert len(set(sizes)) <= 11
    bar.end(RESULT)
    bar.close()
    text = stream.getvalue()
    assert "compiling kernels" in text
    assert "2/10" in text
    assert text.rstrip().endswith(LINE)


def test_waiting_and_skipping_are_told_where_there_is_some() -> None:
    assert describe(replace(RESULT, waited=0.004), 10) == describe(RESULT, 10)
    assert describe(replace(RESULT, waited=0.1), 10).endswith("2,000 samples/s  20% waiting for data")
    assert describe(replace(RESULT, skipped=1), 10).endswith("samples/s  1 step skipped")
    assert describe(replace(RESULT, skipped=2), 10).endswith("samples/s  2 steps skipped")
