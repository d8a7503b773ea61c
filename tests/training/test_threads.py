"""Affinity and container quotas are honoured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netspec.training import threads


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/a/b\n")
    return tmp_path / "groups"


def test_the_tightest_quota_on_the_way_up_counts(groups: Path, tmp_path: Path) -> None:
    (groups / "a" / "b" / "cpu.max").write_text("max 100000\n")
    assert threads.cpu_quota(groups, tmp_path / "own") is None
    (groups / "a" / "cpu.max").write_text("250000 100000\n")
    assert threads.cpu_quota(groups, tmp_path / "own") == 2.5
    (groups / "cpu.max").write_text("150000 100000\n")
    assert threads.cpu_quota(groups, tmp_path / "own") == 1.5


def test_the_first_version_of_control_groups(groups: Path, tmp_path: Path) -> None:
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.cpu_quota(groups, tmp_path / "none") is None
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    assert threads.cpu_quota(groups, tmp_path / "none") == 3.0


@pytest.mark.parametrize(
    ("cores", "quota", "expected"), [(8, "max", 8), (8, "250000", 2), (8, "50000", 1), (2, "900000", 2)]
)
def test_threads_are_cores_within_the_quota(
    cores: int, quota: str, expected: int, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (groups / "cpu.max").write_text(f"{quota} 100000\n")
    monkeypatch.setattr(threads, "CONTROL_GROUPS", groups)
    monkeypatch.setattr(threads, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert threads.available_threads() == expected
