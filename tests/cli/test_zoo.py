"""``netspec zoo`` and ``netspec schema``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netspec.zoo import zoo_names, zoo_path

Netspec = Callable[..., Any]


@pytest.mark.parametrize("command", ["list", "show", "copy"])
def test_help_has_an_example(netspec: Netspec, command: str) -> None:
    status, out, _ = netspec("zoo", command, "--help")
    assert status == 0
    assert f"\n    netspec zoo {command}" in out.split("Example:")[1]  # on a line of its own


def test_list(netspec: Netspec) -> None:
    status, out, _ = netspec("zoo", "list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(zoo_names())
    assert re.search("^lenet5 +LeNet-5 for small grey images", out, re.MULTILINE)


def test_list_as_json(netspec: Netspec) -> None:
    document = json.loads(netspec("zoo", "list", "--format", "json").out)
    assert document["version"] == 1
    assert [spec["name"] for spec in document["specs"]] == list(zoo_names())
    assert all(spec["doc"] for spec in document["specs"])


def test_show(netspec: Netspec) -> None:
    assert netspec("zoo", "show", "lenet5").out == zoo_path("lenet5").read_text(encoding="utf-8")


def test_copy(netspec: Netspec, tmp_path: Path) -> None:
    shipped = zoo_path("lenet5").read_bytes()
    assert netspec("zoo", "copy", "lenet5") == (0, "wrote lenet5.yaml\n", "")
    assert (tmp_path / "lenet5.yaml").read_bytes() == shipped
    assert netspec("zoo", "copy", "lenet5", "mine.yml").status == 0
    assert (tmp_path / "mine.yml").read_bytes() == shipped
    (tmp_path / "specs").mkdir()
    assert netspec("zoo", "copy", "lenet5", "specs").out == "wrote specs/lenet5.yaml\n"


def test_copy_replaces_nothing_unless_told_to(netspec: Netspec, tmp_path: Path) -> None:
    (tmp_path / "lenet5.yaml").write_text("mine")
    status, _, err = netspec("zoo", "copy", "lenet5")
    assert status == 2
    assert "'lenet5.yaml' is there already; --force replaces it" in err
    assert (tmp_path / "lenet5.yaml").read_text() == "mine"
    assert netspec("zoo", "copy", "lenet5", "--force").status == 0
    assert (tmp_path / "lenet5.yaml").read_text() != "mine"


def test_copy_to_where_nothing_can_be_written(netspec: Netspec) -> None:
    status, _, err = netspec("zoo", "copy", "lenet5", "missing/folder/x.yaml")
    assert status == 2
    assert "cannot be written" in err


def test_copy_takes_along_what_a_spec_is_made_of(netspec: Netspec, tmp_path: Path) -> None:
    assert netspec("zoo", "copy", "resnet34", "mine.yaml") == (
        0,
        "wrote mine.yaml\nwrote resnet18.yaml\nwrote blocks/resnet.yaml\n",
        "",
    )
    assert netspec("lint", "mine.yaml").out == "1 spec is clean\n"
    assert netspec("zoo", "copy", "resnet50").out == "wrote resnet50.yaml\n"  # its blocks lie there already


def test_copy_replaces_no_file_of_the_same_name_as_one_that_comes_along(netspec: Netspec, tmp_path: Path) -> None:
    (tmp_path / "resnet18.yaml").write_text("mine")
    status, _, err = netspec("zoo", "copy", "resnet34")
    assert status == 2
    assert "'resnet18.yaml' is there already" in err
    assert [path.name for path in tmp_path.iterdir()] == ["resnet18.yaml"]
    assert (tmp_path / "resnet18.yaml").read_text() == "mine"


def test_a_copy_cannot_take_the_name_of_a_file_that_it_needs(netspec: Netspec, tmp_path: Path) -> None:
    status, _, err = netspec("zoo", "copy", "resnet34", "resnet18.yaml")
    assert status == 2
    assert "resnet34 needs a file of the name 'resnet18.yaml'" in err
    assert not list(tmp_path.iterdir())


def test_blocks_are_no_network_of_the_zoo() -> None:
    assert "resnet" not in zoo_names()
    assert not [name for name in zoo_names() if name.startswith("blocks")]


@pytest.mark.parametrize("command", ["show", "copy"])
def test_a_spec_that_does_not_ship(netspec: Netspec, command: str) -> None:
    status, _, err = netspec("zoo", command, "lenet")
    assert status == 2
    assert "the zoo has no 'lenet'; did you mean zoo:lenet5?" in err


def test_schema(netspec: Netspec, repository: Path) -> None:
    status, out, err = netspec("schema")
    assert (status, err) == (0, "")
    Draft202012Validator.check_schema(json.loads(out))
    assert out == (repository / "docs" / "netspec.schema.json").read_text(encoding="utf-8")


def test_a_name_that_is_like_none_cuts_the_list_visibly(netspec: Netspec) -> None:
    assert ", … ('netspec zoo list' shows all)" in netspec("zoo", "copy", "xqzw").err
