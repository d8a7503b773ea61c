"""A package with ops and a rule of its own: found by its entry points in every command.

It is put on the path with the metadata that an installer would write, so that nothing has to be installed. Everything
runs in a process of its own, since what is declared stays declared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent

SPEC = """\
netspec: 1
name: gated
input: [8, 8, 1]
layers:
  - conv: {filters: 8, kernel: 3, padding: same}
  - softsign
  - squeeze_excite: 2
  - flatten
  - dense: 10
train:
  data: digits
  preprocess: [divide: 255]
  optimizer: adam
  epochs: 1
expect:
  output: [10]
"""

CONFORMANCE = """\
import json
from netspec.core.declare import REGISTRIES
from netspec.testing import (
    cases, check_case, check_gradients, check_lowering, differentiable_cases, lowered_cases,
)
from netspec_numba.backend import NumbaBackend

tried = {}
for name in ("softsign", "squeeze_excite"):
    found = cases(REGISTRIES["op"][name])
    complaints = [line for case in differentiable_cases(found) for line in check_gradients(case)]
    complaints += [line for case in lowered_cases(found) for line in check_lowering(case)]
    complaints += [line for case in found for line in check_case(NumbaBackend(), case)]
    tried[name] = {"ranks": sorted({len(case.types[0].spatial) for case in found}), "complaints": complaints}
print(json.dumps(tried))
"""

PAGES = """\
import json
import netspec.declarations
from netspec.analysis.pages import example_spec, op_page
from netspec.core.declare import REGISTRIES

names = ("softsign", "squeeze_excite")
print(json.dumps({name: [op_page(REGISTRIES["op"][name]), example_spec(REGISTRIES["op"][name])] for name in names}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the plug-in on its path."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = folder / f"netspec_example-{project['version']}.dist-info"
    metadata.mkdir()
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in each.items()) for group, each in groups]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    path = [str(folder), str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "NO_COLOR": "1"}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "gated.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def netspec(environment: dict[str, str], *arguments: object) -> str:
    done = run(environment, "-m", "netspec", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_without_it_its_ops_are_unknown(spec: Path) -> None:
    done = run(dict(os.environ), "-m", "netspec", "lint", "--format", "concise", spec)
    assert done.returncode == 1
    assert "softsign" in done.stdout
    assert "squeeze_excite" in done.stdout


def test_lint_knows_its_ops(installed: dict[str, str], spec: Path) -> None:
    assert "error" not in netspec(installed, "lint", "--format", "concise", spec)


def test_lint_places_its_refusals_and_its_rule(installed: dict[str, str], spec: Path) -> None:
    refused = SPEC.replace("squeeze_excite: 2", "squeeze_excite: 3").replace("- softsign", "- softsing")
    spec.write_text(refused, encoding="utf-8")
    done = run(installed, "-m", "netspec", "lint", "--format", "json", spec)
    found = {each["code"]: each for each in json.loads(done.stdout)["diagnostics"]}
    assert done.returncode == 1
    assert found["NS217"]["line"] == 7
    assert "softsign" in json.dumps(found["NS104"])
    spec.write_text(SPEC.replace("squeeze_excite: 2", "squeeze_excite: 8"), encoding="utf-8")
    done = run(installed, "-m", "netspec", "lint", "--format", "concise", spec)
    assert "gated.yaml:7:21: warning[EX101]" in done.stdout


def test_summary_and_explain_count_it(installed: dict[str, str], spec: Path) -> None:
    layers = {
        layer["name"]: layer for layer in json.loads(netspec(installed, "summary", "--format", "json", spec))["layers"]
    }
    assert layers["squeeze_excite"]["params"] == 8 * 4 + 4 + 4 * 8 + 8
    assert layers["squeeze_excite"]["macs"] == 2 * 8 * 4
    assert "8/2" in netspec(installed, "explain", spec, "squeeze_excite")
    assert "A gate that is squeezed" in netspec(installed, "explain", "EX101")


def test_schema_completes_it(installed: dict[str, str]) -> None:
    assert '"squeeze_excite"' in netspec(installed, "schema")


@pytest.mark.slow
def test_train_learns_with_it(installed: dict[str, str], spec: Path, tmp_path: Path) -> None:
    report = json.loads(netspec(installed, "train", spec, "--run-dir", tmp_path / "run", "--format", "json"))
    assert report["metrics"]["train"]["accuracy"] > 0.3  # a tenth would be chance


def test_it_conforms(installed: dict[str, str]) -> None:
    done = run(installed, "-c", CONFORMANCE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "softsign": {"ranks": [0, 1, 2, 3], "complaints": []},
        "squeeze_excite": {"ranks": [1, 2, 3], "complaints": []},
    }


def test_its_pages_are_like_ours(installed: dict[str, str], tmp_path: Path) -> None:
    done = run(installed, "-c", PAGES)
    assert done.returncode == 0, done.stderr
    pages = json.loads(done.stdout)
    assert "`y = x0 / (1 + abs(x0))`" in pages["softsign"][0]
    page, example = pages["squeeze_excite"]
    assert "It is run as `global_avg_pool`, `dense`, `relu`, `sigmoid`, `multiply`." in page
    assert "| `NS212` |" in page
    assert "| `NS217` |" in page
    (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
    netspec(installed, "lint", tmp_path / "example.yaml")
