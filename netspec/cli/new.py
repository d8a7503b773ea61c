"""``netspec new``: a commented spec to start from."""

from __future__ import annotations

import re
from pathlib import Path

import click

from netspec.cli.templates import SMALLEST_SIDE, TEMPLATES, fill
from netspec.training.files import writing

ENDINGS = (".yaml", ".yml")
_NAME = re.compile(r"[^\W\d][\w-]*")
_SHAPE = re.compile(r"[1-9]\d{0,6}([x,][1-9]\d{0,6}){0,3}")


@click.command("new")
@click.argument("name")
@click.option("--template", type=click.Choice(list(TEMPLATES)), default="classifier", show_default=True)
@click.option("--input", "shape", default="28x28x1", show_default=True, help="Shape of a sample, channels last.")
@click.option("--classes", type=click.IntRange(2, 1_000_000), default=10, show_default=True, help="Classes to tell.")
def command(name: str, template: str, shape: str, classes: int) -> None:
    """Write NAME.yaml, a commented spec to start from. A file that is there is never touched.

    \b
    Example:
      netspec new digits
      netspec new birds --template residual --input 64x64x3 --classes 200
    """

    path = Path(name if name.endswith(ENDINGS) else f"{name}.yaml")
    if not _NAME.fullmatch(path.stem):
        raise click.UsageError(f"{path.stem!r} cannot be a name: a letter, then letters, digits, '_' and '-'")
    chosen = TEMPLATES[template]
    text = fill(path.stem, path.name, chosen, _shape(shape, chosen.image), classes)
    with writing(path):
        _write_new(path, text)
    click.echo(f"wrote {path}")


def _write_new(path: Path, text: str) -> None:
    """Write a file where none is, or nothing; a usage error where there is one."""
    made = False
    try:
        with path.open("x", encoding="utf-8") as file:
            made = True
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{str(path)!r} is there already, and was left as it is; take another name") from None
    except OSError:
        if made:  # half a spec would be in the way of the next try
            path.unlink(missing_ok=True)
        raise


def _shape(text: str, image: bool) -> tuple[int, ...]:
    """The sides in ``28x28x1``; a usage error where they are none, or not those of an image that the template takes."""
    if not _SHAPE.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not a shape such as 28x28x1", param_hint="--input")
    sides = tuple(map(int, re.split("[x,]", text)))
    if image and (len(sides) == 1 or min(sides[:-1]) < SMALLEST_SIDE):
        wanted = f"sides of at least {SMALLEST_SIDE} and channels behind them"
        raise click.BadParameter(f"{text!r} is no image: {wanted} make one, as in 28x28x1", param_hint="--input")
    return sides
