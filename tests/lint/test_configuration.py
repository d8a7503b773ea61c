"""Settings from TOML: which hold for a spec, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.lint import configuration
from netspec.lint.configuration import Configuration, configuration_for
from netspec.lint.settings import DEFAULT, Budgets, Settings


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration._in_folder.cache_clear()
    monkeypatch.chdir(tmp_path)


def read(tmp_path: Path, text: str, name: str = "pyproject.toml") -> Configuration:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return configuration_for(tmp_path / "specs" / "a.yaml")


FULL = """
[project]
name = "select"

[tool.netspec.lint]
select = ["NS2", "NS301"]
ignore = ["NS307"]
severity = {NS3 = "info", NS301 = "error"}
budgets = {max_params = "5M", max_macs = 12, max_memory = "2 GiB", fits = "1.5GiB"}

[tool.netspec.lint.per-file."specs/*.yaml"]
ignore = ["NS2"]
budgets = {max_params = 7}
"""


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)
    assert found.diagnostics == ()
    assert found.settings.select == ("NS2", "NS301")
    assert found.settings.budgets == Budgets(5_000_000, 12, 2 * 2**30, 3 * 2**29)
    assert found.of(tmp_path / "other.yaml") == found.settings
    special = found.of(tmp_path / "specs" / "a.yaml")
    assert special.ignore == ("NS307", "NS2")
    assert special.budgets.max_params == 7
    assert special.budgets.max_macs == 12
    assert (special.severity("NS301"), special.severity("NS302"), special.severity("NS201")) == ("error", "info", None)


def test_which_file_counts(tmp_path: Path) -> None:
    assert configuration_for(tmp_path / "a.yaml").settings == DEFAULT
    configuration._in_folder.cache_clear()
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "pyproject.toml").write_text("[tool.netspec.other]\n", encoding="utf-8")
    assert read(tmp_path, "[tool.netspec.lint]\nignore = ['NS3']\n").settings.ignore == ("NS3",)
    configuration._in_folder.cache_clear()
    assert read(tmp_path, "[lint]\nignore = ['NS2']\n", ".netspec.toml").settings.ignore == ("NS2",)
    configuration._in_folder.cache_clear()
    assert read(tmp_path, "[tool.netspec.lint]\nignore = ['NS1']\n", ".netspec.toml").settings.ignore == ("NS1",)


@pytest.mark.parametrize(
    ("table", "place", "problem"),
    [
        ("ignroe = []", (2, 1), "unknown key 'ignroe'"),
        ("ignore = ['NS39x']", (2, 12), "no code begins with 'NS39x'"),
        ("ignore = 'NS3'", (2, 1), "'ignore' wants a list of codes"),
        ("severity = {NS301 = 'fatal'}", (2, 13), "the severity of 'NS301' must be one of error, warning, info"),
        ("severity = 'info'", (2, 1), "'severity' wants a table"),
        ("budgets = {max_params = 'many'}", (2, 12), "'max_params' wants a number"),
        ("budgets = {max_prams = 1}", (2, 12), "unknown budget 'max_prams'"),
        ("budgets = {max_params = true}", (2, 12), "'max_params' wants a number"),
        ("budgets = 1", (2, 1), "'budgets' wants a table"),
        ("per-file = 1", (2, 1), "'per-file' wants a table for each glob"),
        ("select = ]", (2, 10), "this is not TOML"),
    ],
)
def test_bad_settings_are_told_at_their_place(tmp_path: Path, table: str, place: tuple[int, int], problem: str) -> None:
    found = read(tmp_path, f"[tool.netspec.lint]\n{table}\n")
    (diagnostic,) = found.diagnostics
    assert diagnostic.code == "NS199"
    assert problem in diagnostic.message
    assert diagnostic.span[:3] == ("pyproject.toml", *place)
    assert "pyproject.toml" in found.texts


def test_settings_on_top_of_others() -> None:
    base = Settings(("NS1",), ("NS307",), (("NS3", "info"),), Budgets(max_params=5))
    assert Settings().over(base) == base
    over = Settings(("NS2",), ("NS306",), (("NS3", "error"),), Budgets(max_params=6)).over(base)
    assert over == Settings(("NS2",), ("NS307", "NS306"), (("NS3", "info"), ("NS3", "error")), Budgets(max_params=6))


def test_what_cannot_be_read_is_told_whatever_is_selected() -> None:
    assert Settings(select=("NS3",)).wants("NS001")
    assert not Settings(select=("NS3",)).wants("NS101")
    assert not Settings(ignore=("NS001",)).wants("NS001")


def test_the_longest_selector_says_the_severity_and_of_two_alike_the_last() -> None:
    settings = Settings(severities=(("NS301", "error"), ("NS3", "info"), ("NS3", "warning")))
    assert (settings.severity("NS301"), settings.severity("NS302"), settings.severity("NS2")) == (
        "error",
        "warning",
        None,
    )
