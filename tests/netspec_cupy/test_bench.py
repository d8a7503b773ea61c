"""What is prepared for a machine with a GPU runs to its end without one: the bench, and tests that need a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gpu import test_kernels, test_training
from simulated_gpu import SimulatedCuda, simulated_device

from netspec_cupy.backend import CupyBackend
from netspec_cupy.bench import peer
from netspec_cupy.bench.__main__ import main
from netspec_cupy.bench.results import Folder, row_line
from netspec_cupy.bench.stages import STAGES


def test_a_dry_run_passes_every_stage_and_saves_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "missing", lambda: True)
    assert main(["--out", str(tmp_path), "--dry-run"]) == 0
    found = {stage: json.loads((tmp_path / f"{stage}.json").read_text()) for stage in STAGES}
    assert [stage for stage, results in found.items() if not results["done"] or results["left_out"]] == []
    assert found["versions"]["primitives"] == {}
    assert {row["precision"] for row in found["layers"]["rows"]} == {"tf32", "float32"}
    assert {"direct", "winograd-2", "winograd-4", "tf32"} <= {row["algorithm"] for row in found["layers"]["rows"]}
    assert all(row["seconds"] > 0 for row in (*found["layers"]["rows"], *found["steps"]["rows"]))
    table = (tmp_path / "table.md").read_text()
    assert "| zoo:lenet5, training step | batch 2 | tf32 |" in table
    shares = found["profile"]["seconds by op"]["zoo:lenet5, batch 2, tf32"]
    assert {"conv", "conv.dw", "dense"} <= shares.keys()


def test_stages_that_are_there_are_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder(tmp_path)
    for stage in STAGES:
        folder.write(stage, {"done": True})
    assert main(["--out", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().err == ""


def test_without_time_a_stage_says_what_it_left_out(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--dry-run", "--stages", "profile", "--minutes", "-1"])
    found = Folder(tmp_path).read("profile")
    assert found["done"]
    assert found["seconds by op"] or found["left_out"]


@pytest.mark.peer
def test_pytorch_stands_beside_us_where_it_is_installed(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--dry-run", "--stages", "layers,steps"]) == 0
    rows = [*Folder(tmp_path).read("layers")["rows"], *Folder(tmp_path).read("steps")["rows"]]
    beside = [row for row in rows if row["peers"]]
    assert {row["what"].split(":")[-1].strip() for row in beside} >= {"conv", "conv.dx", "conv.dw"}
    assert all(row["peers"]["eager"] > 0 for row in beside)
    assert all(row["agrees"] for row in Folder(tmp_path).read("steps")["rows"])


def test_without_a_gpu_it_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 2
    assert "NS901" in capsys.readouterr().err


def test_a_row_names_the_best_of_the_peers_forms() -> None:
    row = {"what": "a", "size": "b", "precision": "tf32", "seconds": 0.002, "peers": {"eager": 0.004, "compile": 0.003}}
    assert row_line(row) == "| a | b | tf32 | 2.000 | 3.000 | compile | 1.50 |"
    assert row_line({**row, "peers": {}}) == "| a | b | tf32 | 2.000 |  |  |  |"


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> CupyBackend:
    return CupyBackend(simulated_device(SimulatedCuda(), monkeypatch))


def test_the_tests_for_a_gpu_pass_on_paper(backend: CupyBackend) -> None:
    test_kernels.test_the_seam_does_what_it_does_on_the_host_half(backend)
    test_kernels.test_a_few_sanitized(backend, test_kernels.training_trial(test_kernels.ROUNDED[0]), "tf32")
    test_kernels.test_what_is_not_chosen_for_anything_so_small(backend, test_kernels.AWKWARD[0])
    test_kernels.test_networks(backend, test_kernels.layers_of_bytes()[-1])
    test_training.test_steps_are_those_of_the_numba_backend(backend, "zoo:lenet5")
    test_training.test_a_recording_computes_what_single_launches_do(backend)
    test_training.test_networks_that_take_turns_do_not_get_in_each_others_way(backend)
    test_training.test_full_memory_is_told_with_what_would_fit(backend)
