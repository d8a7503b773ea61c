"""The notebooks of the docs are run, cell by cell, by a kernel of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def shown(cell: Any) -> str:
    """All that a cell put out, as text and HTML."""
    outputs = (output.get("data", output) for output in cell.outputs)
    return "".join(str(value) for output in outputs for value in output.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what starts a kernel is not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_says(
    path: Path, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repository), str(repository / "backends"), above]))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    pages = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    everything = "".join(pages)
    assert "<table>" in everything
    assert "<svg" in everything
    assert "<progress" not in everything  # the bar has given way to the lines of the epochs
    assert "NS201" in everything
    assert "epoch 12/12" in everything
    assert (tmp_path / "digits.safetensors").is_file()


def test_notebooks_are_kept_without_what_they_put_out() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in cells), path
