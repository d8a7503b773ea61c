"""The specs that ship are found, installed or in a checkout, and only they."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import zoo


def test_names_are_those_of_the_files(repository: Path) -> None:
    assert zoo.zoo_names() == tuple(sorted(path.stem for path in (repository / "specs").glob("*.yaml")))
    assert "lenet5" in zoo.zoo_names()


def test_path_is_a_spec_of_that_name() -> None:
    assert "name: lenet5" in zoo.zoo_path("lenet5").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["lenet", "", "../specs/lenet5", "lenet5.yaml", "/etc/passwd"])
def test_what_does_not_ship_is_refused(name: str) -> None:
    with pytest.raises(zoo.UnknownZooSpecError, match="ships with netspec") as caught:
        zoo.zoo_path(name)
    assert caught.value.name == name
    assert caught.value.known == zoo.zoo_names()


def test_installed_specs_come_before_a_folder_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "netspec"
    stranger = tmp_path / "site-packages" / "specs"
    for folder in (package / "specs", stranger):
        folder.mkdir(parents=True)
    (package / "specs" / "mine.yaml").touch()
    (stranger / "stray.yaml").touch()
    monkeypatch.setattr(zoo, "_PACKAGE", package)
    assert zoo.zoo_names() == ("mine",)


def test_a_stranger_beside_the_installed_package_is_not_the_zoo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "stray.yaml").touch()
    monkeypatch.setattr(zoo, "_PACKAGE", tmp_path / "netspec")
    assert zoo.zoo_names() == ()
    with pytest.raises(zoo.UnknownZooSpecError, match="there are: none"):
        zoo.zoo_path("stray")
