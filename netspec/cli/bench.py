"""``netspec bench``: speed and memory of a network, alone or against its peers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from netspec.cli.common import (
    backend_option,
    format_option,
    load,
    memory_budget_option,
    note,
    quiet_option,
    set_option,
    shown_in,
    spec_argument,
    threads_option,
    tuned_option,
)
from netspec.training.files import write_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from netspec.bench.case import Case
    from netspec.bench.run import QuantizedNetwork
    from netspec.syntax.spec import Spec


def _peers(context: click.Context, option: click.Parameter, given: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))


@click.command("bench")
@spec_argument
@set_option
@click.option(
    "--against",
    "peers",
    default="",
    metavar="PEERS",
    callback=_peers,
    help="Peers to measure too, with commas between: torch, torch-compile, onnxruntime. Netspec alone if left out.",
)
@click.option(
    "--mode",
    type=click.Choice(["train", "infer"]),
    help="Steps of training, or predictions; if left out train, but infer of a quantised network.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples of one step; the spec's if left out.")
@threads_option
@backend_option
@click.option(
    "--runs", type=click.IntRange(min=1), help="Timed runs of each variant; by the slowest one's time if left out."
)
@memory_budget_option
@tuned_option
@click.option("--layers", is_flag=True, help="Time every step of netspec's plan, against what the machine could do.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the result as SVG.")
@format_option
@quiet_option
def command(
    spec: str,
    overrides: tuple[str, ...],
    peers: tuple[str, ...],
    mode: Literal["train", "infer"] | None,
    batch: int | None,
    threads: int | None,
    backend: str,
    runs: int | None,
    memory_budget: int | None,
    tuned: Path | None,
    layers: bool,
    picture: Path | None,
    format_: str,
) -> None:
    """Measure how fast a network runs and how much memory it takes.

    SPEC may be a folder that 'netspec quantize' wrote: its network is measured in bytes, against its own float32, and
    against ONNX Runtime's int8 of the same bytes and scales.

    \b
    Example:
      netspec bench zoo:lenet5
      netspec bench zoo:resnet18 --batch 8 --against torch,torch-compile --picture resnet18.svg
      netspec bench zoo:resnet18 --batch 8 --mode infer --layers
      netspec bench lenet5-int8 --against onnxruntime

    All sides compute the same network from the same weights, which is checked before anything is timed. They then take
    turns, each in a process of its own. A ratio above 1 says that netspec is ahead of the peer's best variant.
    """
    from netspec.bench.case import Case
    from netspec.training.quantized import is_quantized
    from netspec.training.threads import available_threads

    if layers and peers:
        raise click.UsageError("--layers looks into netspec's own steps; leave out --against")
    quantized = None
    if is_quantized(Path(spec)):
        if layers:
            raise click.UsageError("--layers holds steps against what float32 could do; leave it out for bytes")
        loaded, quantized = _read_quantized(spec, overrides, mode)
        mode = "infer"
    else:
        loaded = load(spec, overrides)
    samples, count = batch or loaded.recipe.batch, threads or available_threads()
    case = Case(mode or "train", samples, count, False, backend, memory_budget=memory_budget)
    if tuned is not None:
        case = _with_algorithms(case, loaded, tuned, quantized is not None)
    with shown_in(loaded):
        if layers:
            document, text, drawn = _layers(loaded, case, runs, note)
        else:
            document, text, drawn = _sides(loaded, case, peers, runs, note, quantized)
    if picture is not None:
        write_output(picture, drawn.encode())
    click.echo(json.dumps(document, indent=2) if format_ == "json" else text)


def _with_algorithms(case: Case, spec: Spec, file: Path, in_bytes: bool) -> Case:
    """The case with the measured algorithms in a file; NS172 where they were measured for anything else."""
    from netspec.training.tuned import conditions, read_tuned

    if in_bytes:
        raise click.UsageError("--tuned is for float32 numbers; leave it out for bytes")
    read_tuned(file).refuse_others(conditions(spec.graph, spec.recipe, case.backend, case.batch), case.mode)
    return replace(case, tuned=str(file.resolve()))


def _read_quantized(folder: str, overrides: tuple[str, ...], mode: str | None) -> tuple[Spec, QuantizedNetwork]:
    """The spec, the weights and the ranges of a quantised network."""
    from netspec.bench.run import QuantizedNetwork
    from netspec.diagnostics import RunError
    from netspec.training.open_run import open_run
    from netspec.training.state import read_state

    if mode == "train":
        raise RunError.of("NS987", path=folder)
    if overrides:
        raise click.UsageError("--set changes a spec; a quantised network's is fixed")
    opened = open_run(Path(folder), "last", "numba", 1)
    runtime = opened.runtime
    return opened.spec, QuantizedNetwork(folder, runtime.ranges or {}, read_state(runtime.state, runtime.weights))


def _sides(
    spec: Spec,
    case: Case,
    peers: tuple[str, ...],
    runs: int | None,
    notice: Callable[[str], None],
    quantized: QuantizedNetwork | None,
) -> tuple[dict[str, object], str, str]:
    """The document, the text and the picture of a measurement of sides."""
    from netspec.bench.picture import bars
    from netspec.bench.run import bench
    from netspec.bench.tables import sides_text

    found = bench(spec, case, peers, runs, notice, quantized)
    return found.document(), sides_text(found), bars(found)


def _layers(
    spec: Spec, case: Case, runs: int | None, notice: Callable[[str], None]
) -> tuple[dict[str, object], str, str]:
    """The document, the text and the picture of a measurement step by step."""
    from netspec.bench.layers import measure_layers
    from netspec.bench.picture import roofline
    from netspec.bench.tables import layers_text

    found = measure_layers(spec, case, runs or 10, notice)
    return found.document(), layers_text(found), roofline(found)
