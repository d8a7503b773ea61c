"""``netspec lint``: exit statuses, what goes where, and the formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Netspec = Callable[..., Any]
Write = Callable[..., Path]

BROKEN = "netspec: 1\ninput: [8, 8, 1]\nlayers:\n  - conv: {filters: 4, kernal: 3}\n"
DOUBTFUL = "netspec: 1\ninput: [8, 8, 1]\nlayers:\n  - relu\n  - relu\n"


def test_a_clean_spec(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write()) == (0, "1 spec is clean\n", "")


def test_an_error(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN)
    status, out, err = netspec("lint", path)
    assert (status, err) == (1, "")
    assert out == (
        f"{path}:4:24: error[NS101] 'conv' has no key 'kernal'\n"
        "  |\n"
        "4 |   - conv: {filters: 4, kernal: 3}\n"
        "  |                        ^^^^^^\n"
        "  help: did you mean 'kernel'?\n"
        "\n"
        "1 error\n"
    )


def test_a_warning_is_a_finding_too(netspec: Netspec, write: Write) -> None:
    status, out, _ = netspec("lint", write(DOUBTFUL))
    assert status == 1
    assert "warning[NS302]" in out


def test_a_rule_that_is_ignored(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write(DOUBTFUL), "--ignore", "NS302").status == 0


def test_an_ignored_code_that_does_not_exist(netspec: Netspec, write: Write) -> None:
    result = netspec("lint", write(), "--ignore", "NS3O1")
    assert result.status == 2
    assert "there is no code 'NS3O1'; did you mean NS301?" in result.err


def test_concise(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN)
    assert netspec("lint", "--format", "concise", path) == (
        1,
        f"{path}:4:24: error[NS101] 'conv' has no key 'kernal'\n",
        "",
    )


def test_json(netspec: Netspec, write: Write) -> None:
    broken, clean = write(BROKEN, "broken.yaml"), write(name="clean.yaml")
    status, out, err = netspec("lint", "--format", "json", broken, clean)
    assert (status, err) == (1, "")
    document = json.loads(out)
    assert document["version"] == 1
    assert document["files"] == [str(broken), str(clean)]
    (found,) = document["diagnostics"]
    promised = {"code", "severity", "message", "file", "line", "column", "end_line", "end_column", "help", "fix"}
    assert promised <= set(found)
    assert (found["code"], found["severity"], found["file"]) == ("NS101", "error", str(broken))
    assert [found[key] for key in ("line", "column", "end_line", "end_column")] == [4, 24, 4, 30]


def test_json_of_a_clean_spec(netspec: Netspec, write: Write) -> None:
    path = write()
    result = netspec("lint", "--format", "json", path)
    assert json.loads(result.out) == {"version": 1, "diagnostics": [], "files": [str(path)]}


def test_folders_are_searched(netspec: Netspec, write: Write) -> None:
    write(name="specs/a.yaml")
    write(BROKEN, "specs/deep/b.yml")
    write("not a spec", "specs/readme.txt")
    status, out, _ = netspec("lint", "specs", "--format", "concise")
    assert status == 1
    assert out == "specs/deep/b.yml:4:24: error[NS101] 'conv' has no key 'kernal'\n"


def test_a_file_named_twice_is_read_once(netspec: Netspec, write: Write) -> None:
    path = write()
    assert netspec("lint", path, path).out == "1 spec is clean\n"


def test_a_folder_without_specs(netspec: Netspec, write: Write) -> None:
    write("nothing", "empty/readme.txt")
    result = netspec("lint", "empty")
    assert result.status == 2
    assert "no file below 'empty' ends in .yaml or .yml" in result.err


@pytest.mark.parametrize("format_", ["text", "concise", "json"])
def test_a_file_that_cannot_be_read_hides_no_other(netspec: Netspec, write: Write, format_: str) -> None:
    result = netspec("lint", "missing.yaml", write(BROKEN), "--format", format_)
    assert result.status == 2
    assert "NS008" in result.out
    assert "there is no such file" in result.out
    assert "NS101" in result.out


def test_the_zoo(netspec: Netspec) -> None:
    assert netspec("lint", "zoo:lenet5").out == "1 spec is clean\n"


def test_a_spec_that_the_zoo_does_not_have(netspec: Netspec) -> None:
    result = netspec("lint", "zoo:lenet")
    assert result.status == 2
    assert result.err.endswith("Error: the zoo has no 'lenet'; did you mean zoo:lenet5?\n")


def test_set(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write(), "--set", "classes=5").status == 0
    result = netspec("lint", write(), "--set", "classes=none")
    assert result.status == 1
    assert "'units' wants a whole number of at least 1" in result.out


def test_set_shows_the_text_of_the_command_line(netspec: Netspec, write: Write) -> None:
    result = netspec("lint", write(), "--set", "train.epochs=many")
    assert result.out.startswith("--set train.epochs:1:1: error[NS102]")
    assert "1 | many\n  | ^^^^\n" in result.out


@pytest.mark.parametrize("given", ["classes", "=5", ""])
def test_set_without_a_name_or_value(netspec: Netspec, write: Write, given: str) -> None:
    result = netspec("lint", write(), "--set", given)
    assert result.status == 2
    assert "is not of the form NAME=VALUE" in result.err


def test_a_text_that_is_no_yaml(netspec: Netspec, write: Write) -> None:
    result = netspec("lint", write("layers: [\n"))
    assert result.status == 1
    assert "NS001" in result.out
