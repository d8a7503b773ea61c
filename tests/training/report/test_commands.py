"""`netspec report`, and the page at the end of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netspec.cli import report, train
from netspec.diagnostics.errors import RunError


def call(command: Any, *arguments: str) -> Any:
    return CliRunner().invoke(command, arguments)


def test_a_run_ends_with_its_page(digits_run: Path) -> None:
    assert "<title>digits · netspec</title>" in (digits_run / "report.html").read_text()


def test_report_writes_the_page_of_a_run(digits_run: Path, tmp_path: Path) -> None:
    result = call(report.command, str(digits_run), "-o", str(tmp_path / "page.html"), "--threads", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"wrote {tmp_path / 'page.html'}\n"
    assert "<h1>digits</h1>" in (tmp_path / "page.html").read_text()


def test_json_is_one_document_and_writes_nothing(digits_run: Path) -> None:
    (digits_run / "report.html").unlink(missing_ok=True)
    result = call(report.command, str(digits_run), "--format", "json", "--threads", "1")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["name"], document["history"]["epochs"]) == ("digits", [1, 2, 3])
    assert not (digits_run / "report.html").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    result = call(report.command, str(tmp_path))
    assert isinstance(result.exception, RunError)
    assert "is not a run directory" in str(result.exception)


def test_a_page_that_cannot_be_written(digits_run: Path, tmp_path: Path) -> None:
    result = call(report.command, str(digits_run), "-o", str(tmp_path / "no" / "page.html"), "--threads", "1")
    assert isinstance(result.exception, RunError)
    assert str(result.exception).startswith(f"[NS993] '{tmp_path}/no/page.html' cannot be written: ")


def copied(digits_run: Path, folder: Path) -> Path:
    shutil.copy(digits_run.parent / "digits.yaml", folder)
    return folder / "digits.yaml"


def test_without_a_page(digits_run: Path, tmp_path: Path) -> None:
    file = copied(digits_run, tmp_path)
    result = call(train.command, str(file), "--run-dir", str(tmp_path / "run"), "--epochs", "1", "--no-report")
    assert result.exit_code == 0
    assert "report" not in result.stderr
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("error", [ValueError("no way"), MemoryError(), KeyboardInterrupt()])
def test_a_page_that_fails_does_not_fail_its_run(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr("netspec.training.report.collect.find_filters", fail)
    monkeypatch.setattr("netspec.training.report.collect.read_history", fail)
    file = copied(digits_run, tmp_path)
    result = call(train.command, str(file), "--run-dir", str(tmp_path / "run"), "--epochs", "1", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["epochs"] == 1
    assert "warning: [NS928] the run is done, but its report could not be made: " in result.stderr
    assert ("it was interrupted" in result.stderr) == isinstance(error, KeyboardInterrupt)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "finished"
