"""The GitHub Action: its steps, run as a runner would, on a folder of specs; and the hooks for pre-commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

BAD = "netspec: 1\ninput: [4]\nlayers: [{densse: 3}]\n"


def steps(repository: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    action = yaml.safe_load((repository / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    return action, action["runs"]["steps"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with a program ``netspec`` that runs this very source."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "netspec"
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netspec "$@"\n', encoding="utf-8")
    file.chmod(0o755)
    return folder


def run_lint(repository: Path, folder: Path, program: Path, **given: str) -> tuple[int, str, str]:
    """Run the step that lints; gives its status, what it printed, and what it hands on."""
    action, found = steps(repository)
    step = next(step for step in found if step.get("id") == "lint")
    inputs = {name: given.get(name, str(value.get("default", ""))) for name, value in action["inputs"].items()}
    variables = {
        name: inputs[value.removeprefix("${{ inputs.").removesuffix(" }}")] for name, value in step["env"].items()
    }
    handed_on = folder / "outputs"
    environment = {
        **os.environ,
        **variables,
        "GITHUB_OUTPUT": str(handed_on),
        "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "backends")]),
    }
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    run = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, handed_on.read_text() if handed_on.exists() else ""


def test_findings_become_annotations(repository: Path, tmp_path: Path, program: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "bad.yaml").write_text(BAD)
    status, out, _ = run_lint(repository, tmp_path, program)
    assert status == 1
    assert out.startswith("::error file=specs/bad.yaml,line=3,")


def test_findings_become_a_sarif_file(repository: Path, tmp_path: Path, program: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    given = {"paths": "bad.yaml", "format": "sarif", "arguments": "--select NS1 --no-plugins"}
    status, out, handed_on = run_lint(repository, tmp_path, program, **given)
    assert (status, out, handed_on) == (1, "", "report=netspec.sarif\n")
    results = json.loads((tmp_path / "netspec.sarif").read_text())["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["NS104"]


def test_what_a_workflow_gives_is_never_a_command(repository: Path, tmp_path: Path, program: Path) -> None:
    run_lint(repository, tmp_path, program, paths="$(touch made) `touch made`; touch made", arguments="; touch made")
    assert not (tmp_path / "made").exists()
    for step in steps(repository)[1]:
        assert "${{" not in step.get("run", "")


def test_the_hooks_name_commands_that_there_are(repository: Path, tmp_path: Path, program: Path) -> None:
    hooks = yaml.safe_load((repository / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks] == ["netspec-lint", "netspec-lint-fix"]
    (tmp_path / "bad.yaml").write_text(BAD)
    environment = {**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join([str(repository), str(repository / "backends")])
    ends = []
    for hook in (*hooks, hooks[0]):
        command = [*hook["entry"].split(), "bad.yaml"]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        ends.append(run.returncode)
    assert ends == [1, 0, 0]
    assert "dense: 3" in (tmp_path / "bad.yaml").read_text()
