"""``netspec quantize``: a trained network in bytes, or with its weights in a few bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import format_option
from netspec.cli.tables import columns
from netspec.cli.trained import Trained, open_trained, trained_options
from netspec.diagnostics.text import escape
from netspec.training.files import write_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netspec.data.dataset import Dataset, PartName
    from netspec.passes.quantization import Ranges
    from netspec.slimming.clusters import Sharing
    from netspec.slimming.quantize import Quantization, Wish
    from netspec.training.open_run import OpenRun
    from netspec.training.runs import Kept

_METHODS = ("min-max", "percentile", "entropy")
_BITS = (2, 8)


@click.command("quantize")
@trained_options
@click.option(
    "--data",
    metavar="SOURCE",
    help="Other data than the run's, as 'netspec eval' takes it: its training part calibrates, its test part scores.",
)
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--part", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    help="How ranges of activations are found: what was seen (min-max), without the outermost ten-thousandth "
    "(percentile), or where the least is lost (entropy). If left out: those that training learnt, or percentile.",
)
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Samples that calibrate; 512 if left out.")
@click.option(
    "--kmeans",
    "bits",
    type=click.IntRange(*_BITS),
    metavar="BITS",
    help="Store each weight as one of 2**BITS numbers of its layer, found by k-means, BITS from 2 to 8; the network is "
    "computed in float32 as before.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="A new folder, which stands for a run from then on; with --kmeans a safetensors file.",
)
@format_option
def command(
    trained: Trained,
    data: str | None,
    data_dir: str | None,
    part: PartName,
    method: Literal["min-max", "percentile", "entropy"] | None,
    samples: int | None,
    bits: int | None,
    output: Path,
    format_: Literal["text", "json"],
) -> None:
    """Make a trained network compute in bytes, or store its weights in a few bits; compare it with what it was.

    RUN is a run directory; with --kmeans also a bundle, or a spec, whose weights --weights names.

    \b
    Example:
      netspec quantize runs/lenet5-20260131-142500 -o lenet5-int8
      netspec eval lenet5-int8
      netspec quantize runs/lenet5-20260131-142500 --method entropy --samples 1000 -o lenet5-int8
      netspec quantize runs/lenet5-20260131-142500 --kmeans 4 -o lenet5-4bit.safetensors
      netspec eval zoo:lenet5 --weights lenet5-4bit.safetensors --data mnist
    """
    from netspec.slimming.quantize import Wish

    if bits is not None and (method is not None or samples is not None):
        raise click.UsageError(
            "--method and --samples calibrate activations; --kmeans stores weights and needs neither"
        )
    run = Path(trained.place)
    if bits is None and not run.is_dir():
        raise click.UsageError(
            f"{trained.place!r} is no run directory: its spec, its data and its classes go into the new folder"
        )
    if bits is None and output.exists() and not output.is_dir():
        raise click.UsageError(f"{str(output)!r} is a file, but a quantised network goes into a folder")
    if bits is not None and output.suffix != ".safetensors":
        raise click.UsageError(f"--kmeans writes a file such as {output.stem}.safetensors, not {output.name!r}")
    opened = open_trained(trained, data)
    _refuse_quantized(opened, trained.place)
    dataset = _dataset(opened, data_dir, part)
    if bits is not None:
        document, text = _share(opened, dataset, bits, part, output)
    else:
        calibrates = method is not None or samples is not None or opened.spec.recipe.quantize is None
        ranges = None if calibrates else _learnt(run, trained.kept)
        wish = Wish(method or "percentile", samples or 512, ranges)
        document, text = _quantize(opened, dataset, wish, part, run, output)
    click.echo(json.dumps({"version": 1, **document}, indent=2) if format_ == "json" else text)


def _refuse_quantized(opened: OpenRun, run: str) -> None:
    from netspec.diagnostics import RunError

    if opened.runtime.ranges is not None:
        raise RunError.of("NS862", path=run)


def _dataset(opened: OpenRun, data_dir: str | None, part: PartName) -> Dataset:
    from netspec.data.read import data_folder
    from netspec.training.evaluate_run import part_of

    return part_of(opened, data_folder(data_dir), part)[0]


def _learnt(run: Path, kept: Kept | None) -> Ranges:
    from netspec.training.quantization_aware import learnt_ranges
    from netspec.training.runs import find_checkpoint

    return learnt_ranges(find_checkpoint(run, kept or "last"))


def _quantize(
    opened: OpenRun, dataset: Dataset, wish: Wish, part: PartName, run: Path, output: Path
) -> tuple[dict[str, Any], str]:
    from netspec.interop.safetensors import encode
    from netspec.slimming.quantize import quantize_run
    from netspec.training.quantized import write_quantized

    found = quantize_run(opened, dataset, wish, part)
    stored = write_quantized(output, run, found.weights, found.packed, found.ranges, found.facts())
    float32 = len(encode(found.weights, {"format": "netspec"}))
    document = found.document()
    document["before"]["bytes"], document["after"]["bytes"] = float32, stored
    return {**document, "output": str(output)}, _quantized_text(found, document, part, output)


def _share(opened: OpenRun, dataset: Dataset, bits: int, part: PartName, output: Path) -> tuple[dict[str, Any], str]:
    from netspec.slimming.clusters import share_run

    found = share_run(opened, dataset, bits, part)
    write_output(output, found.data)
    document = found.document()
    return {**document, "output": str(output)}, _shared_text(found, document, part, output)


def _quantized_text(found: Quantization, document: Mapping[str, Any], part: str, output: Path) -> str:
    errors = [("activation", "scale", "zero", "signal to noise")]
    errors += [(e.layer, f"{e.scale:.4g}", str(e.zero), f"{e.decibels:.1f} dB") for e in found.errors]
    sides = [_row(document[side]) for side in ("before", "after")]
    wish = found.wish
    source = f"ranges of {wish.samples:,} samples by {wish.method}" if wish.learnt is None else "ranges as learnt"
    lines = [
        *columns(errors, frozenset({1, 2, 3})),
        "",
        *_sides(("", "float32", "int8"), *sides),
        "",
        f"{len(found.layers)} layers in bytes, {source}; {document['speedup']:.2f} times as fast, "
        f"{document['batch']} samples on {document['threads']} threads",
    ]
    if found.left:
        left = ", ".join(f"{layer} ({op})" if layer != op else op for layer, op in found.left)
        lines.append(f"in float32 between them: {escape(left)}")
    return "\n".join([*lines, f"scored on the {part} part", f"wrote {escape(str(output))}"])


def _shared_text(found: Sharing, document: Mapping[str, Any], part: str, output: Path) -> str:
    rows = [("weight", "shape", "bytes", "signal to noise")]
    rows += [(r.name, "x".join(map(str, r.shape)), f"{r.bytes:,}", f"{r.decibels:.1f} dB") for r in found.rows]
    sides = [_row({**document[s], "metrics": _metrics(document[s])}) for s in ("before", "after")]
    return "\n".join(
        [
            *columns(rows, frozenset({2, 3})),
            "",
            *_sides(("", "float32", f"{found.bits} bits"), *sides),
            "",
            f"{document['smaller']:.1f} times as small, scored on the {part} part",
            f"wrote {escape(str(output))}",
        ]
    )


def _metrics(side: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in side.items() if name not in ("loss", "bytes")}


def _row(side: Mapping[str, Any]) -> dict[str, str]:
    """What is told of one side, by its name."""
    found = {"loss": f"{side['loss']:.4f}", **{name: f"{value:.4f}" for name, value in side["metrics"].items()}}
    if "milliseconds" in side:
        found |= {
            "ms a batch": f"{side['milliseconds']:.3f}",
            "samples a second": f"{side['samples_per_second']:,.0f}",
        }
    return found | {"bytes of weights": f"{side['bytes']:,}"}


def _sides(head: tuple[str, str, str], before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    return columns([head, *((name, text, after[name]) for name, text in before.items())], frozenset({1, 2}))
