"""What all tests share: the repository's folder, repeatable hypothesis, and tests that need what a machine may lack."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import browser_missing
from hypothesis import settings
from open_mpi import open_mpi_missing

from netspec_cupy.probe import probe

# The same examples on every machine and in every run; a shared machine may be slow, which is no failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# Threads that wait for one another shall give their core away. OpenMP's would spin, and with more test processes than
# cores every kernel would wait for the scheduler. OpenMP reads this once, when the first kernel is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml."""
    return REPOSITORY


def _missing() -> dict[str, str]:
    """What this machine lacks, by the marker of the tests that need it."""
    missing = {}
    if not os.environ.get("NETSPEC_DATA"):
        missing["data"] = "NETSPEC_DATA is not set"
    reason = probe()
    if reason is not None:
        missing["gpu"] = reason
    no_browser = browser_missing()
    if no_browser is not None:
        missing["browser"] = no_browser
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        missing["namespaces"] = "only root makes network namespaces"
    elif not all(map(shutil.which, ("ip", "tc", "unshare"))):
        missing["namespaces"] = "ip, tc or unshare is not installed"
    no_open_mpi = open_mpi_missing()
    if no_open_mpi is not None:
        missing["openmpi"] = no_open_mpi
    if find_spec("torch") is None:
        missing["peer"] = "PyTorch is not installed"
    if find_spec("keras") is None:
        missing["keras"] = "Keras is not installed"
    return missing


def pytest_report_header() -> list[str]:
    """Say at the top of a run what will be left out, and why."""
    return [f"left out: tests marked '{marker}' ({reason})" for marker, reason in _missing().items()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that need what this machine lacks and, without ``-m``, those that take minutes."""
    missing = _missing()
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in missing)]
    if not config.option.markexpr:
        left_out += [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    # The longest first: of several processes none is then left alone with one of them at the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
