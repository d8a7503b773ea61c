"""Runs by ranks that one process executes again: as many ranks, one after the other, and the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from starting import ranks

from netspec.cli.verify_run import command
from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import Communicator
from netspec.distributed.together import together

SPEC = """\
netspec: 1
input: [8, 8, 1]
layers: [{conv: {filters: 4, kernel: 3}}, batch_norm, relu, flatten, {dropout: 0.2}, {dense: 10}]
train:
  {data: digits, preprocess: [divide: 16], validation: 0.2, epochs: 3, batch: 99, accumulate: 2, seed: 3,
   optimizer: adam, SYNC}
"""


@pytest.fixture(scope="module", params=["sync_batch_norm: false", "sync_batch_norm: true"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three ranks with statistics and masks of their own, whose pieces are 33 of 99 samples."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "spec.yaml").write_text(SPEC.replace("SYNC", request.param))
    options = ["--distributed", "--run-dir", str(folder / "run"), "--threads=1", "--quiet"]
    done = ranks(3, "-m", "netspec", "train", str(folder / "spec.yaml"), *options)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.parametrize("more", [[], ["--from-seed", "--threads=2"]])
def test_one_process_executes_the_steps_of_three_ranks(run: Path, more: list[str]) -> None:
    result = CliRunner().invoke(command, [str(run), "--threads=1", *more])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].endswith("by 3 ranks in this process")
    assert "'epoch-0003' (step 36): weights, moments and metrics are the same to the bit" in lines


def test_another_number_of_ranks_comes_to_other_numbers(run: Path) -> None:
    document = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**document, "world": {**document["world"], "size": 2}}))
    try:
        result = CliRunner().invoke(command, [str(run), "--threads=1", "--format=json"])
    finally:
        (run / "manifest.json").write_text(json.dumps(document))
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ranks"], found["equal"]) == (1, 2, False)


def test_exchanges_are_in_the_order_of_the_ranks() -> None:
    def act(world: Communicator) -> tuple[list[float], list[object], list[float]]:
        first = np.array([1.0, 10.0**world.rank], np.float32)
        second = np.array([world.rank], np.float32)
        pending = [world.start(first), world.start(second)]
        names: list[object] = world.gather({"rank": world.rank})
        pending[1].wait()
        pending[0].wait()
        world.give(second[:] if world.rank else first[:1])
        return first.tolist(), names, world.sums(np.array([0.5])).tolist()

    found = together(3, act)
    assert [each[0] for each in found] == [[3, 111]] * 3
    assert [each[1] for each in found] == [[{"rank": 0}, {"rank": 1}, {"rank": 2}]] * 3
    assert [each[2] for each in found] == [[1.5]] * 3


def test_a_rank_that_fails_ends_the_others() -> None:
    def act(world: Communicator) -> None:
        if world.rank == 1:
            raise RunError("this one")
        world.sums(np.zeros(1))

    with pytest.raises(RunError, match="this one"):
        together(3, act)
