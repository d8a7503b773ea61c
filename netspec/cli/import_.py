"""``netspec import``: a model of another program as a spec, or weights of one for a network of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from netspec.cli import import_model, import_weights
from netspec.cli.common import backend_option, format_option, set_option, threads_option


def _sizes(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """``[NAME=]224,224,3`` by the name, which is empty where it is left out."""
    found = {}
    for text in given:
        name, _, shape = text.rpartition("=")
        try:
            sides = tuple(int(side) for side in shape.split(","))
        except ValueError:
            sides = ()
        if not sides or min(sides) < 1:
            raise click.BadParameter(f"{text!r} is not of the form [NAME=]HEIGHT,WIDTH,CHANNELS")
        found[name] = sides
    return found


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE", help="Where to."
)
@click.option(
    "--input",
    "sizes",
    multiple=True,
    metavar="[NAME=]SIDES",
    callback=_sizes,
    help="Of a model: the shape of an input that it leaves open, channels last, such as 224,224,3. May be repeated.",
)
@click.option("--force", is_flag=True, help="Of a model: replace a spec that is there.")
@click.option("--data", default="", metavar="NAME", help="Of a solver: what the spec learns from, such as mnist.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of a solver: samples of the training part, by which its iterations become epochs.",
)
@click.option("--into", metavar="SPEC", help="Of weights: the network that they are for.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="TENSOR=WEIGHT",
    help="Of weights: a layer or tensor of the file, and the network's that takes it. May be given several times.",
)
@click.option(
    "--strict/--no-strict",
    default=True,
    show_default=True,
    help="Of weights: whether every tensor and every weight must be accounted for.",
)
@set_option
@threads_option
@backend_option
@format_option
def command(
    source: Path,
    output: Path,
    sizes: Mapping[str, tuple[int, ...]],
    force: bool,
    data: str,
    samples: int | None,
    into: str | None,
    pairs: tuple[str, ...],
    strict: bool,
    overrides: tuple[str, ...],
    threads: int | None,
    backend: str,
    format_: str,
) -> None:
    """Take over a model of another program, or weights for a network.

    \b
    Example:
      netspec import resnet18.onnx -o resnet18.yaml
      netspec import detector.onnx --input 320,320,3 -o detector.yaml
      netspec import train_val.prototxt --input 227,227,3 -o caffenet.yaml
      netspec import lenet_solver.prototxt --data mnist -o lenet.yaml
      netspec import resnet18.pth --into zoo:resnet18 -o resnet18.safetensors
      netspec import model.keras --into mine.yaml -o mine.safetensors

    An ONNX model becomes a spec with its weights beside it as safetensors, from which it starts; where ONNX Runtime is
    installed, both are run and compared. It takes the extra onnx. A prototxt becomes a spec in dialect caffe, without
    weights; a solver brings the network that it names, and how that is trained. What is not understood is told at its
    node, or at its line.

    Weights of PyTorch are safetensors of a state_dict, or .pt and .pth that hold nothing but tensors (extra torch);
    those of Keras are .h5, .weights.h5 and .keras (extra keras). No code of a file is executed. Layers are matched by
    names, or by shapes and an order that can be relied on; the report tells of every tensor what became of it.
    """
    from netspec.training.threads import available_threads

    ending = source.suffix.lower()
    if ending in import_model.KINDS:
        if into is not None:
            raise click.UsageError(
                f"{str(source)!r} is a whole model, which becomes a spec of its own: leave out --into"
            )
        asked = import_model.Asked(source, output, sizes, backend, threads or available_threads(), data, samples)
        import_model.run(asked, force, format_)
    elif ending in import_weights.ENDINGS:
        if into is None:
            raise click.UsageError("name the network that the weights are for with --into SPEC")
        import_weights.run(source, into, output, overrides, pairs, strict, format_)
    else:
        known = ", *".join((*import_model.KINDS, *import_weights.ENDINGS))
        raise click.UsageError(f"{str(source)!r} is none of the files that can be imported: *{known}")
