"""The program ``netspec``: finds the command, and turns what goes wrong into a message and an exit status.

Exit status: 0 fine, 1 findings, 2 usage or unreadable input, 3 the run failed, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from typing import NoReturn

import click

from netspec import __version__
from netspec.cli.asked import Asked

TRACEBACK = "--traceback"

COMMANDS: dict[str, tuple[str, str]] = {
    "lint": ("netspec.cli.lint", "Say everything that is wrong with specs, before anything runs."),
    "summary": ("netspec.cli.summary", "Layers, shapes, parameters, MACs, memory, receptive field."),
    "explain": ("netspec.cli.explain", "How a layer's numbers came to be, or what a code means."),
    "diff": ("netspec.cli.diff", "What changed between two specs: layers, totals, recipe."),
    "draw": ("netspec.cli.draw", "A picture of the network: SVG, Mermaid, DOT."),
    "new": ("netspec.cli.new", "A commented spec to start from."),
    "show": ("netspec.cli.show", "A spec as it is written, or written out."),
    "compile": ("netspec.cli.compile", "Check, differentiate and plan; show the graph or the plan."),
    "train": ("netspec.cli.train", "Train a network as its spec says."),
    "predict": ("netspec.cli.predict", "Predict images, folders of them, or arrays, with a finished run."),
    "eval": ("netspec.cli.evaluate", "Evaluate a finished run on the test part."),
    "compare": ("netspec.cli.compare", "Runs side by side: what they did differently, and what came of it."),
    "verify-run": ("netspec.cli.verify_run", "Execute steps of a run again and compare them to the bit."),
    "report": ("netspec.cli.report", "A page about a run: curves, mistakes, the network inside, time."),
    "bench": ("netspec.cli.bench", "Measure a network's speed and memory, alone or against its peers."),
    "prune": ("netspec.cli.prune", "Make a trained network smaller, or see what that would cost."),
    "quantize": ("netspec.cli.quantize", "Make a trained network compute in bytes, or store it in a few bits."),
    "export": ("netspec.cli.export", "Write a network for PyTorch or ONNX, and compare the two."),
    "import": ("netspec.cli.import_", "Take over a model of another program, or weights for a network."),
    "rules": ("netspec.cli.rules", "Everything that the linter can find."),
    "zoo": ("netspec.cli.zoo", "The specs that ship: list them, show one, copy one."),
    "lsp": ("netspec.cli.lsp", "The language server, for editors to start."),
    "doctor": ("netspec.cli.doctor", "What is installed on this machine, what is missing, and what mends it."),
    "schema": ("netspec.cli.schema", "The JSON Schema of a spec, for editors."),
}
"""Every command: its module, which is imported only when the command is called, and its line in ``--help``."""


def _let_be_quiet(command: click.Command) -> None:
    """Give ``--quiet`` to a command, or to those of a group, where it does not have it yet."""
    from netspec.cli.common import quiet_option

    for each in command.commands.values() if isinstance(command, click.Group) else (command,):
        if not any("--quiet" in parameter.opts for parameter in each.params):
            quiet_option(each)


class LazyCommands(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        _let_be_quiet(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; one that is not known is a usage error that names the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from netspec.syntax.suggestions import did_you_mean

            ctx.fail(f"there is no command {args[0]!r}; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netspec")
@click.option("--traceback", is_flag=True, help="Show the Python traceback of an error. May stand anywhere.")
def cli(traceback: bool) -> None:
    """A compiler for convolutional networks written as YAML.

    \b
    Example:
      netspec lint specs/lenet5.yaml
      netspec train zoo:lenet5
    """


def main() -> None:
    """Entry point of the program."""
    # Hardly anything that is made while modules are loaded and a spec is read is garbage. To look for it after every
    # 700 objects, and through all of them when Python ends, would take a fifth of the time of a lint.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    arguments = [argument for argument in sys.argv[1:] if argument != TRACEBACK]
    asked = Asked()
    try:
        status = cli.main(arguments, prog_name="netspec", standalone_mode=False, obj=asked)
        if sys.stdout is not None:  # it is none where the program was started with stdout closed
            sys.stdout.flush()  # a reader that has left is noticed here, not when Python ends
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        _leave_stdout()
        sys.exit(1)  # as click ends where it is the one to notice
    except OSError as error:
        from netspec.training.files import NO_ROOM

        if error.errno not in NO_ROOM or TRACEBACK in sys.argv:
            _fail(error, asked)
        click.echo(f"error: what is to be written does not fit: {error.strerror}", err=True)
        _leave_stdout()
        sys.exit(3)
    except Exception as error:  # the last line of defence: a traceback never reaches a user unasked
        _fail(error, asked)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(error: Exception, asked: Asked) -> NoReturn:
    """End with what the error says, or with the error itself where its traceback is asked for."""
    if TRACEBACK in sys.argv:
        raise error
    from netspec.cli.common import fail

    sys.exit(fail(error, asked.form))


def _leave_stdout() -> None:
    """Nothing that is still held for stdout is tried again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
