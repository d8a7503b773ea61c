"""The learning-rate finder: what it suggests of a curve, that it learns, and that nothing stays of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import train
from netspec.cli.plot import HEIGHT, WIDTH, plot
from netspec.training.finder import HIGHEST, LOWEST, STEPS, Sweep, find_rate

MakeRuntime = Callable[..., Any]


def sweep(loss: Callable[[float], float]) -> Sweep:
    """A sweep whose running mean went by the logarithm of the rate, from 0 to 1."""
    places = np.arange(60) / 59
    losses = tuple(loss(place) for place in places)
    return Sweep(tuple(float(LOWEST * (HIGHEST / LOWEST) ** place) for place in places), losses, losses)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    found = sweep(lambda place: 2 - math.tanh(10 * (place - 0.5)) + (100 * (place - 0.8) if place > 0.8 else 0))
    middle = LOWEST * (HIGHEST / LOWEST) ** 0.5
    assert found.suggestion == pytest.approx(middle, rel=0.2)  # a step of the sweep is a factor of 1.3
    assert found.lowest_at is not None
    assert found.lowest_at > 10 * found.suggestion


@pytest.mark.parametrize("slope", [0.0, 1.0, -0.01])
def test_where_the_loss_does_not_fall_nothing_is_suggested(slope: float) -> None:
    found = sweep(lambda place: 1 + slope * place)
    assert (found.suggestion, found.lowest_at) == (None, None)
    assert Sweep((), (), ()).suggestion is None


def test_the_sweep_ends_where_the_loss_explodes(backend: Any, make_runtime: MakeRuntime, make_part: Any) -> None:
    backend.losses = [1.0] * 20 + [50.0] * 5
    found = find_rate(make_runtime(), make_part(10))
    assert len(found.losses) == 21  # a tenth of 50, and nine tenths of 1, are more than four times the lowest
    assert [call.samples for call in backend.steps()] == [4] * 21  # the smaller last batches are left out
    assert [call.scalars["step"] for call in backend.steps()] == list(range(1, 22))
    backend.losses = [1.0] * 5 + [math.nan]
    assert len(find_rate(make_runtime(), make_part(10)).losses) == 5


def test_rates_go_from_the_lowest_to_the_highest_and_the_state_comes_back(
    backend: Any, make_runtime: MakeRuntime, make_part: Any
) -> None:
    runtime = make_runtime()
    before = {name: runtime.state.read(name) for name in runtime.state.names()}
    told: list[int] = []
    found = find_rate(runtime, make_part(3), told.append)
    assert found.rates[0] == LOWEST
    assert found.rates[-1] == pytest.approx(HIGHEST)
    assert told == list(range(1, STEPS + 1))
    assert all(np.array_equal(runtime.state.read(name), array) for name, array in before.items())


def test_the_command_finds_a_rate_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(
        "netspec: 1\ninput: [8, 8, 1]\nlayers: [flatten, {dense: 10}]\n"
        "train: {data: digits, preprocess: [{divide: 16}], optimizer: {sgd: {momentum: 0.9}}, batch: 32, seed: 1}\n"
    )
    result = CliRunner().invoke(train.command, ["a.yaml", "--find-lr", "--format", "json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert 1e-3 < document["suggestion"] < document["lowest_at"] < 10
    text = CliRunner().invoke(train.command, ["a.yaml", "--find-lr"]).stdout
    assert f"begin with --set train.lr={document['suggestion']:g}" in text
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_plot_has_its_ends_and_its_mark() -> None:
    lines = plot([1e-3, 1e-2, 1e-1], [3.0, 2.0, math.nan], 1e-2, "rate")
    assert len(lines) == HEIGHT + 2
    assert lines[0].startswith("3 |*")
    assert lines[HEIGHT - 1].endswith("*")
    assert len(lines[HEIGHT - 1]) == len("3 |") + WIDTH
    assert sum("|" in line[3:] for line in lines) == HEIGHT - 1  # the lowest point stands in the line's place
    assert lines[-1].split() == ["1.0e-03", "rate", "1.0e-02"]
    assert plot([1.0], [5.0], None, "rate")
