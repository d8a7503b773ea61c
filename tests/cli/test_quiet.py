"""``--quiet``, which every command has: what is left are results, warnings and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from netspec.cli.main import COMMANDS, cli

Netspec = Callable[..., Any]
Write = Callable[..., Path]


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize("name", dict(commands()))
def test_every_command_has_it_once(name: str) -> None:
    command = dict(commands())[name]
    assert [parameter.name for parameter in command.params].count("quiet") == 1


def test_lint_says_what_is_wrong_and_nothing_else(netspec: Netspec, write: Write) -> None:
    assert netspec("lint", write(), "--quiet") == (0, "", "")
    status, out, err = netspec("lint", write("netspec: 1\ninput: [8]\nlayers: [rleu]\n"), "--quiet")
    assert (status, err) == (1, "")
    assert "NS104" in out
    assert "1 error" not in out


def test_notes_are_left_out_and_errors_are_not(netspec: Netspec, write: Write) -> None:
    assert netspec("draw", write(), "-o", "a.svg", "--quiet") == (0, "", "")
    assert "cannot be written" in netspec("draw", write(), "-o", "no/a.svg", "--quiet").err
    noted = netspec("compile", write(), "--backend=auto", "--threads=1")
    assert "backend: " in noted.err
    assert netspec("compile", write(), "--backend=auto", "--threads=1", "--quiet") == (0, noted.out, "")
