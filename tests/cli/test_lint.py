"""``netspec lint``: exit statuses, what goes where, and the formats."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.lint import many

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
        "1 error (1 can be mended by --fix)\n"
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


def test_select(netspec: Netspec, write: Write) -> None:
    path = write(DOUBTFUL + "  - cnov: 3\n")
    assert "NS302" not in netspec("lint", path, "--select", "NS1").out
    out = netspec("lint", path, "--select", "NS104,NS3", "--format", "concise").out
    assert "NS104" in out
    assert "NS302" in out
    assert netspec("lint", path, "--select", "NS2").out == "1 spec is clean\n"
    assert netspec("lint", path, "--select", "NS9X").status == 2


def test_a_family_that_is_ignored(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write(DOUBTFUL), "--ignore", "NS3").status == 0


def test_fix(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN)
    assert netspec("lint", path, "--fix") == (0, "1 mistake mended, 1 spec is clean\n", "")
    assert path.read_text(encoding="utf-8") == BROKEN.replace("kernal", "kernel")


def test_fix_keeps_the_byte_order_mark_and_line_ends(netspec: Netspec, write: Write) -> None:
    path = write()
    text = b"\xef\xbb\xbf" + BROKEN.replace("\n", "\r\n").encode()
    path.write_bytes(text)
    assert netspec("lint", path, "--fix").status == 0
    assert path.read_bytes() == text.replace(b"kernal", b"kernel")


def test_fix_says_what_is_left(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN + "  - relu\n  - relu\n")
    status, out, _ = netspec("lint", path, "--fix")
    assert status == 1
    assert out.endswith("\n1 mistake mended, 1 warning\n")


def test_diff(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN)
    status, out, err = netspec("lint", path, "--diff")
    assert (status, err) == (1, "")
    assert out == (
        f"--- {path}\n+++ {path}\n@@ -1,5 +1,5 @@\n netspec: 1\n input: [8, 8, 1]\n layers:\n"
        "-  - conv: {filters: 4, kernal: 3}\n+  - conv: {filters: 4, kernel: 3}\n \n"
    )
    assert path.read_text(encoding="utf-8") == BROKEN
    assert netspec("lint", write(), "--diff") == (0, "", "")
    assert netspec("lint", path, "--diff", "--fix").status == 2


def test_stdin(netspec: Netspec, write: Write, stdin: Callable[[str], None]) -> None:
    stdin(BROKEN)
    result = netspec("lint", "-", "--format", "concise")
    assert result.out == "<stdin>:4:24: error[NS101] 'conv' has no key 'kernal'\n"
    write("[tool.netspec.lint]\nignore = ['NS1']\n", "specs/pyproject.toml")
    stdin(BROKEN)
    result = netspec("lint", "-", "--stdin-filename", "specs/a.yaml", "--format", "json")
    assert json.loads(result.out)["files"] == ["specs/a.yaml"]
    assert result.status == 0


def test_fix_of_stdin_goes_to_stdout(netspec: Netspec, stdin: Callable[[str], None]) -> None:
    stdin(BROKEN)
    assert netspec("lint", "-", "--fix") == (0, BROKEN.replace("kernal", "kernel"), "")


def test_globs(netspec: Netspec, write: Write) -> None:
    write(BROKEN, "specs/deep/b.yml")
    write(name="specs/a.yaml")
    assert netspec("lint", "specs/*.yaml").out == "1 spec is clean\n"
    assert netspec("lint", "specs/**/*.y*ml").status == 1
    assert netspec("lint", "specs/*.toml").status == 2


def test_statistics(netspec: Netspec, write: Write) -> None:
    path = write(DOUBTFUL + "  - relu\n  - rleu\n")
    result = netspec("lint", path, "--statistics")
    assert result.out == "2  NS302  activation twice in a row\n1  NS104  unknown op or block\n"
    document = json.loads(netspec("lint", path, "--statistics", "--format", "json").out)
    assert document["statistics"] == {"NS302": 2, "NS104": 1}


def test_settings_of_a_folder(netspec: Netspec, write: Write) -> None:
    path = write(DOUBTFUL)
    write("[lint]\nseverity = {NS302 = 'info'}\n", ".netspec.toml")
    status, out, _ = netspec("lint", path)
    assert status == 0
    assert "info[NS302]" in out


def test_bad_settings(netspec: Netspec, write: Write) -> None:
    write("[lint]\nignroe = []\n", "bad/.netspec.toml")
    path, other = write(name="bad/a.yaml"), write(name="bad/b.yaml")
    status, out, _ = netspec("lint", path, other)
    assert status == 2
    assert out.count("error[NS199]") == 1
    assert "2 | ignroe = []\n  | ^^^^^^\n  help: did you mean 'ignore'?" in out


def test_a_mistake_in_an_included_file_shows_its_line(netspec: Netspec, write: Write) -> None:
    write("blocks:\n  cell:\n    layers:\n      - rleu\n", "blocks.yaml")
    path = write("netspec: 1\ninclude: [blocks.yaml]\ninput: [4]\nlayers: [cell]\n")
    out = netspec("lint", path).out
    assert "4 |       - rleu" in out


def test_files_outside_of_the_root(netspec: Netspec, write: Write) -> None:
    write("blocks:\n  cell:\n    layers:\n      - relu\n", "blocks.yaml")
    path = write("netspec: 1\ninclude: [../blocks.yaml]\ninput: [4]\nlayers: [cell]\n", "specs/a.yaml")
    assert "NS123" in netspec("lint", path).out
    assert netspec("lint", path, "--allow-outside").status == 0


def test_more_layers_than_allowed(netspec: Netspec, write: Write) -> None:
    assert "NS126" in netspec("lint", write(), "--max-layers", 3).out


def test_plug_ins_are_left_out(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write(), "--no-plugins").status == 0


@pytest.mark.parametrize("format_", ["sarif", "github", "junit"])
def test_formats_for_machines(netspec: Netspec, write: Write, format_: str) -> None:
    path = write(BROKEN)
    status, out, err = netspec("lint", path, "--format", format_)
    assert (status, err) == (1, "")
    assert "NS101" in out
    assert str(path) in out


def test_many_files(netspec: Netspec, write: Write) -> None:
    for number in range(210):
        write(BROKEN if number == 77 else DOUBTFUL, f"specs/{number:03}.yaml")
    lines = netspec("lint", "specs", "--format", "concise", "--select", "NS1").out.splitlines()
    assert lines == ["specs/077.yaml:4:24: error[NS101] 'conv' has no key 'kernal'"]


def test_infos_alone_leave_a_spec_clean(netspec: Netspec, write: Write) -> None:
    path = write("netspec: 1\ninput: [8, 8, 1]\nlayers:\n  - conv: {filters: 4, kernel: 4, padding: same}\n  - relu\n")
    status, out, _ = netspec("lint", path)
    assert status == 0
    assert "info[NS309]" in out
    assert out.endswith("\n1 spec is clean (1 info)\n")


@pytest.mark.parametrize("format_", ["concise", "json", "sarif", "github", "junit", "text"])
def test_the_order_of_the_arguments_makes_no_difference(netspec: Netspec, write: Write, format_: str) -> None:
    names = [write(DOUBTFUL.replace("relu", f"relu{n % 7}" if n % 3 else "relu"), f"{n}.yaml").name for n in range(40)]
    first = netspec("lint", "--format", format_, *names)
    assert first.status == 1
    for seed in range(3):
        shuffled = random.Random(seed).sample(names, len(names))
        assert netspec("lint", "--format", format_, *shuffled).out == first.out


def test_any_number_of_processes_says_the_same(netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(230):
        write(DOUBTFUL.replace("relu", f"relu{n % 7}" if n % 3 else "relu"), f"specs/{n}.yaml")
    seen = []
    for workers in (1, 2, 3):
        monkeypatch.setattr(many, "_cores", lambda workers=workers: workers)
        seen.append(netspec("lint", "--format", "json", "specs").out)
    assert seen[0].count('"NS104"') > 100
    assert seen[1:] == seen[:1] * 2


def test_a_bundle_is_linted_by_the_spec_in_it(netspec: Netspec, write: Write) -> None:
    write()
    assert netspec("compile", "spec.yaml", "-o", "tiny.netspec").status == 0
    before = Path("tiny.netspec").read_bytes()
    result = netspec("lint", "--fix", "tiny.netspec")
    assert (result.status, "clean" in result.out) == (0, True)
    assert Path("tiny.netspec").read_bytes() == before
    Path("tiny.netspec").write_bytes(before[:100])
    result = netspec("lint", "tiny.netspec")
    assert (result.status, "NS918" in result.out) == (2, True)


def test_a_run_names_its_spec(netspec: Netspec, write: Write) -> None:
    Path("run").mkdir()
    write(name="run/spec.resolved.yaml")
    result = netspec("summary", "run")
    assert result.status == 2
    assert "it is a run: its spec is run/spec.resolved.yaml" in result.err


def test_a_spec_that_cannot_be_written_stays_whole(
    netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, second = write(BROKEN, "first.yaml"), write(BROKEN, "second.yaml")
    with monkeypatch.context() as patched:
        patched.setattr("netspec.cli.mending.write_atomic", full)
        status, out, err = netspec("lint", "--fix", first, second)
    assert (status, err) == (1, "")
    assert out.count("error[NS944] the file stays as it was") == out.count("error[NS101]") == 2
    assert "No space left on device" in out
    assert "mended," not in out
    assert first.read_text(encoding="utf-8") == BROKEN


def test_fix_keeps_links_and_modes(netspec: Netspec, write: Write) -> None:
    path = write(BROKEN, "inside/spec.yaml")
    path.chmod(0o640)
    link = Path("link.yaml")
    link.symlink_to(path)
    assert netspec("lint", "--fix", link).status == 0
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == BROKEN.replace("kernal", "kernel")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_looked_into_is_told(
    netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody may look into could hold anything: it is not clean."""
    write(name="specs/fine.yaml")
    write(name="specs/closed/spec.yaml")
    listed = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    status, out, _ = netspec("lint", "specs", "--format", "concise")
    assert status == 2
    assert out == "specs/closed:1:1: error[NS008] the file cannot be read: its permissions do not allow it\n"
    assert netspec("lint", "specs/closed").status == 2


@pytest.mark.parametrize("form", ["json", "sarif", "github", "junit"])
def test_a_patch_is_no_form_for_programs(netspec: Netspec, write: Write, form: str) -> None:
    status, out, err = netspec("lint", write(BROKEN), "--diff", "--format", form)
    assert (status, out) == (2, "")
    assert f"--diff prints a patch: without it, --format {form} holds every finding" in err
