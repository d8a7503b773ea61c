"""The program as a whole: help, wrong names, errors, and readers that leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.cli import main as program
from netspec.cli.common import ISSUES
from netspec.cli.main import COMMANDS

Netspec = Callable[..., Any]
Write = Callable[..., Path]

READERS = ("lint", "summary", "explain", "draw", "compile")
"""Commands that read a spec and run nothing."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(netspec: Netspec, command: str) -> None:
    status, out, err = netspec(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: netspec {command}")
    assert f"\n    netspec {command} " in out.split("Example:")[1]  # on a line of its own


def test_the_list_of_commands(netspec: Netspec) -> None:
    status, out, _ = netspec("--help")
    assert status == 0
    assert all(f"  {name}" in out for name in COMMANDS)
    assert netspec("-h").out == out


def test_version(netspec: Netspec) -> None:
    assert netspec("--version").out.startswith("netspec, version ")


@pytest.mark.parametrize(("word", "guess"), [("lnt", "lint"), ("sumary", "summary"), ("Compile", "compile")])
def test_a_command_that_does_not_exist(netspec: Netspec, word: str, guess: str) -> None:
    status, out, err = netspec(word)
    assert (status, out) == (2, "")
    assert err.endswith(f"Error: there is no command '{word}'; did you mean {guess}?\n")


def test_a_command_like_no_other(netspec: Netspec) -> None:
    assert "there are: lint, summary" in netspec("xyzzy").err


@pytest.mark.parametrize("arguments", [["lint"], ["lint", "--nope", "x"], ["summary"], ["--nope"]])
def test_wrong_usage(netspec: Netspec, arguments: list[str]) -> None:
    status, out, err = netspec(*arguments)
    assert (status, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize("command", READERS)
def test_a_missing_file(netspec: Netspec, command: str) -> None:
    layer = ["conv"] if command == "explain" else []
    status, out, err = netspec(command, "missing.yaml", *layer)
    assert status == 2
    assert "missing.yaml:1:1: error[NS008] the file cannot be read: there is no such file" in out + err


@pytest.mark.parametrize("command", ["summary", "compile"])
def test_a_folder_is_no_spec(netspec: Netspec, tmp_path: Path, command: str) -> None:
    status, _, err = netspec(command, tmp_path)
    assert status == 2
    assert "it is a folder, not a regular file" in err


@pytest.mark.parametrize("command", ["summary", "compile", "explain"])
def test_a_spec_with_a_mistake_goes_to_stderr(netspec: Netspec, write: Write, command: str) -> None:
    path = write("netspec: 1\ninput: [8, 8, 1]\nlayers:\n  - dense: 3\n")
    status, out, err = netspec(command, path, *(["dense"] if command == "explain" else []))
    assert (status, out) == (1, "")
    assert f"{path}:4:5: error[NS205]" in err
    assert "4 |   - dense: 3" in err


def test_a_warning_stops_no_other_command(netspec: Netspec, write: Write) -> None:
    assert netspec("explain", write("netspec: 1\ninput: [4]\nlayers: [relu, relu]\n"), "relu2").status == 0


def test_a_bug_is_one_line_with_the_way_to_report_it(
    netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("netspec.cli.lint.lint_files", broken)
    status, out, err = netspec("lint", write())
    assert (status, out) == (3, "")
    assert err.startswith("netspec has a bug: ZeroDivisionError: oops\n")
    assert ISSUES in err
    assert "Traceback" not in err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_traceback_is_shown_when_asked_for(write: Write, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    arguments = ["lint", str(write())]
    arguments.insert(place, "--traceback")
    monkeypatch.setattr("netspec.cli.lint.lint_files", broken)
    monkeypatch.setattr(sys, "argv", ["netspec", *arguments])
    with pytest.raises(ZeroDivisionError):
        program.main()


def test_an_interruption(netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netspec.cli.lint.lint_files", interrupted)
    assert netspec("lint", write()) == (130, "", "\ninterrupted\n")


def test_a_reader_that_leaves_is_no_error(repository: Path, tmp_path: Path) -> None:
    """As in ``netspec lint FILE | head -1``, with more to say than a pipe holds."""
    path = tmp_path / "spec.yaml"
    path.write_text("netspec: 1\ninput: [4]\nlayers:\n" + "  - dense: -1\n" * 3_000, encoding="utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [sys.executable, "-m", "netspec", "lint", str(path)],
        cwd=repository,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert run.stderr == ""
    assert run.returncode == 1


def test_names_from_a_file_cannot_steer_the_terminal(netspec: Netspec, write: Write) -> None:
    path = write('netspec: 1\nname: "a\\e[31mb"\ninput: [4]\nlayers:\n  - dense: 3\n')
    out = netspec("summary", path).out
    assert out.startswith(r"a\x1b[31mb: input 4")
    assert "\x1b" not in out


def test_a_full_disk_is_no_bug(repository: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        run = subprocess.run(
            [sys.executable, "-m", "netspec", "schema"],
            cwd=repository,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (run.returncode, run.stderr) == (
        3,
        "error: what is to be written does not fit: No space left on device\n",
    )


def test_started_without_stdout(repository: Path) -> None:
    """As in ``netspec summary SPEC >&-``, of which only the exit status is wanted."""
    run = subprocess.run(
        ["sh", "-c", '"$0" -m netspec summary specs/lenet5.yaml >&-', sys.executable],
        cwd=repository,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_an_interruption_of_many_processes_is_one_word(repository: Path, tmp_path: Path) -> None:
    """Ctrl-C goes to every process of the terminal; those that help leave it to the one that started them."""
    text = (repository / "specs" / "lenet5.yaml").read_text(encoding="utf-8")
    for number in range(400):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, "-c", _TWO_CORES, "lint", str(tmp_path)],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "processes start\n"
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (130, "\ninterrupted\n")


_TWO_CORES = """
import signal
from contextlib import contextmanager
from netspec.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background has it ignored
from netspec.lint import many
many._cores = lambda: 2

deaf = many._deaf_to_interrupts

@contextmanager
def told():
    with deaf():
        yield
    print("processes start", flush=True)

if __name__ == "__main__":
    many._deaf_to_interrupts = told
    main()
"""
"""The program on two cores, which says when its processes start."""


@pytest.mark.parametrize("command", ["summary", "compile", "train", "bench"])
def test_json_says_what_is_wrong_with_a_spec(netspec: Netspec, write: Write, command: str) -> None:
    file = write("netspec: 1\ninput: [8, 8, 1]\nlayers:\n  - dense: 3\n")
    status, out, err = netspec(command, str(file), "--format", "json")
    document = json.loads(out)
    assert (status, document["version"]) == (1, 1)
    assert [(found["code"], found["line"]) for found in document["diagnostics"]] == [("NS205", 4)]
    assert "error[NS205]" in err  # a person who looks is told as ever


def test_json_says_what_is_wrong_with_a_run(netspec: Netspec, tmp_path: Path) -> None:
    status, out, err = netspec("eval", str(tmp_path / "nowhere"), "--format", "json")
    assert (status, err) == (3, f"error: {json.loads(out)['error']}\n")
    assert "is not a run directory" in err
