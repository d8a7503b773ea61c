"""What a run will take of the machine's memory, and what is said before any of it is taken."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.cli import train
from netspec.data.dataset import Part, labelled
from netspec.data.images import ImageFiles
from netspec.data.ondemand import fields
from netspec.data.workers import Workers
from netspec.declarations.augmentations import RandomFlip
from netspec.diagnostics.errors import RunError
from netspec.training.memory_check import Limit, demand, memory_limits, refuse_what_does_not_fit
from netspec.training.runtime import Runtime

MakeRuntime = Callable[..., Runtime]
MakePart = Callable[[int], Part]

MIB = 2**20


def test_demand_is_that_of_the_plans_and_the_data(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    runtime, learnt, held = make_runtime(), make_part(10), make_part(3)
    found = demand(runtime, learnt, held, make_part(0))
    step, scoring = (runtime.plan(purpose, "uint8") for purpose in ("train", "evaluate"))
    assert (found.weights, found.training) == (step.state_bytes, step.arena_bytes)
    assert found.validation == scoring.arena_bytes
    assert found.data == 13 * (2 * 2 + 4)  # images of 2x2 bytes, labels of 4
    assert found.total == sum(found.parts().values()) == sum(found.document().values())
    assert demand(runtime, learnt).validation == 0
    assert demand(runtime, learnt, batch=400).training > 10 * found.training


def test_a_checkpoint_is_a_copy_of_the_state_and_one_file(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    runtime = make_runtime()
    found = demand(runtime, make_part(10))
    files = [sum(4 * prod(slot.param.shape) for slot in slots) for slots in (runtime.weights, runtime.moments)]
    assert found.checkpoints == found.weights + max(files)


def test_what_is_decoded_on_demand_is_yet_to_come(make_runtime: MakeRuntime, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        Image.new("L", (2, 2)).save(path)
    images = fields({"train": ImageFiles(paths, (2, 2, 1), "none")}, 12)["train"]  # three images may be held
    part, runtime = labelled(images, np.zeros(6, np.int32)), make_runtime()
    found = demand(runtime, part.take(np.arange(4)), part.take(np.arange(4, 6)))
    assert found.data == 6 * 4  # the labels
    assert 12 <= found.decoded < 12 + 3 * 8 + 2 * 64  # with checksums, at whole cache lines, once
    assert found.ahead - demand(runtime, labelled(np.zeros((6, 2, 2, 1), np.uint8), part["label"])).ahead > 0


def test_what_workers_share_is_counted_where_there_are_any(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    part, changed = make_part(50), {"augment": (RandomFlip(),)}
    assert demand(make_runtime(workers=2), part).workers == 0  # for they have nothing to do
    assert demand(make_runtime(workers=0, **changed), part).workers == 0
    runtime = make_runtime(workers=2, **changed)
    made = Workers(runtime.augmenters(part), runtime.batch, 2)
    try:
        assert demand(runtime, part).workers == sum(block.size for block in made._blocks)
    finally:
        made.close()
    assert demand(runtime, part, batch=400).workers > demand(runtime, part).workers + 4 * 400 * 2 * 2


def test_what_fits_is_not_refused(make_runtime: MakeRuntime, make_part: MakePart, backend: Any) -> None:
    runtime, part = make_runtime(), make_part(10)
    needed = demand(runtime, part)
    assert refuse_what_does_not_fit(runtime, iter([Limit("a limit", needed.ahead)]), part) == needed
    assert refuse_what_does_not_fit(runtime, iter([]), part) == needed
    assert backend.states == []  # nothing was allocated


def test_the_tightest_limit_and_the_largest_batch_are_named(make_runtime: MakeRuntime, make_part: MakePart) -> None:
    runtime, part = make_runtime(batch=1000), make_part(10)
    room = demand(runtime, part, batch=600).ahead
    limits = [Limit("the machine's memory", 10 * MIB), Limit("the control group's limit", room)]
    with pytest.raises(RunError, match=r"NS902\].*training step .*control group's limit leaves only") as refused:
        refuse_what_does_not_fit(runtime, iter(limits), part)
    batch = int(str(refused.value).rpartition("a batch of ")[2].split()[0])
    assert demand(runtime, part, batch=batch).ahead <= room < demand(runtime, part, batch=batch + 1).ahead
    with pytest.raises(RunError, match=r"no batch would fit: '\S+' holds [\d,]+ parameters, \d+% of all"):
        refuse_what_does_not_fit(runtime, iter([Limit("a limit", 1)]), part)


def test_a_run_that_does_not_fit_leaves_nothing_behind(
    tmp_path: Path, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netspec.backend.find_backend", lambda name: backend)
    monkeypatch.setattr("netspec.training.memory_check.memory_limits", lambda: iter([Limit("the limit", 5)]))
    text = "netspec: 1\ninput: [8, 8, 1]\nlayers: [flatten, {dense: 10}]\ntrain: {data: digits}\n"
    (tmp_path / "a.yaml").write_text(text)
    for more in ((), ("--dry-run",)):
        error = CliRunner().invoke(train.command, ["a.yaml", *more]).exception
        assert isinstance(error, RunError)
        assert "NS902" in str(error)
    assert (backend.states, backend.calls) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_memory_of_the_machine(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/meminfo": "MemTotal: 900 kB\nMemAvailable:     300 kB\n"})
    assert list(memory_limits(root)) == [Limit("the machine's memory", 300 * 1024)]
    assert list(memory_limits(tmp_path / "nowhere")) == []


def test_control_groups_of_version_2(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "70\n",
            "sys/fs/cgroup/outer/memory.max": "1000\n",
            "sys/fs/cgroup/outer/memory.current": "700\n",
            "sys/fs/cgroup/outer/memory.stat": "anon 500\ninactive_file 150\n",
        },
    )
    assert list(memory_limits(root)) == [Limit("the control group's limit", 450)]


def test_control_groups_of_version_1_where_the_path_is_the_hosts(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "5:devices:/x\n4:cpu,memory:/docker/0123\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "900\n",
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 50\n",
        },
    )
    assert list(memory_limits(root)) == [Limit("the control group's limit", 150)]


def test_the_limit_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (10 * MIB, 20 * MIB))
    monkeypatch.setattr("os.sysconf", lambda name: 4096)
    root = write(tmp_path, {"proc/self/statm": "256 100 1 1 0 1 0\n"})
    assert list(memory_limits(root)) == [Limit("the process's limit (ulimit -v)", 9 * MIB)]
