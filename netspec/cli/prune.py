"""``netspec prune``: a trained network made smaller, or a table of what that would cost."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import format_option, load, note, shown_in
from netspec.cli.tables import columns
from netspec.cli.trained import Trained, trained_options
from netspec.diagnostics.text import escape
from netspec.training.files import write_json, writing

if TYPE_CHECKING:
    from netspec.slimming.choice import Measure, Scope
    from netspec.slimming.prune import Slimmed
    from netspec.slimming.sensitivity import Sensitivity
    from netspec.training.open_run import StoredNetwork

_share = click.FloatRange(min=0, max=1, min_open=True, max_open=True)


@click.command("prune")
@partial(trained_options, weights_option="--from")
@click.option("--channels", type=_share, metavar="SHARE", help="Remove this share of the channels, and compute less.")
@click.option("--weights", "sparsity", type=_share, metavar="SHARE", help="Set this share of the weights to 0.")
@click.option("--sensitivity", "sensitive", is_flag=True, help="Score the network without 10 to 90 % of each layer.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to.")
@click.option("--force", is_flag=True, help="Replace a spec that is there, and the weights beside it.")
@click.option(
    "--by",
    "measure",
    type=click.Choice(["bn-scale", "l1", "l2"]),
    help="What channels are measured by: the factor of their batch normalisation, which is the default where each "
    "passes one, or the norm of their filter.",
)
@click.option(
    "--scope",
    type=click.Choice(["layer", "network"]),
    default="layer",
    show_default=True,
    help="Whether each layer loses the share, or all together do.",
)
@click.option(
    "--multiple",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Let the channels that a layer keeps be a multiple of this, as vector units take them.",
)
@click.option(
    "--minimum", type=click.IntRange(min=1), default=1, show_default=True, help="Channels that a layer keeps at least."
)
@click.option(
    "--leave",
    multiple=True,
    metavar="LAYER",
    help="Leave a layer whole. May be repeated. Of --weights: first, last.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Score on so many samples, all if left out.")
@click.option(
    "--part",
    type=click.Choice(["validation", "test", "train"]),
    default="validation",
    show_default=True,
    help="What --sensitivity scores on.",
)
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@format_option
def command(
    trained: Trained,
    channels: float | None,
    sparsity: float | None,
    sensitive: bool,
    output: Path | None,
    force: bool,
    measure: Measure | None,
    scope: Scope,
    multiple: int,
    minimum: int,
    leave: tuple[str, ...],
    samples: int | None,
    part: Literal["validation", "test", "train"],
    data_dir: str | None,
    format_: Literal["text", "json"],
) -> None:
    """Make a trained network smaller.

    \b
    Example:
      netspec prune runs/first --channels 0.5 -o half.yaml
      netspec prune runs/first --weights 0.8 -o sparse.yaml
      netspec prune runs/first --sensitivity
      netspec train half.yaml --epochs 3 --set train.lr=0.01

    RUN is a run directory; or a spec, whose weights --from names. What is written is a spec, with its weights in a
    .safetensors beside it, from which 'netspec train' goes on; 'netspec predict half.yaml --weights half.safetensors'
    puts it to use. Of --weights, which keeps the shapes, training on keeps the zeros.
    """
    if (channels is not None) + (sparsity is not None) + sensitive != 1:
        raise click.UsageError("one of --channels SHARE, --weights SHARE and --sensitivity says what is to be done")
    _refuse_unused("--channels" if channels is not None else "--weights" if not sensitive else "--sensitivity")
    if not sensitive:
        output = _checked(output, force)
    stored = _stored(trained)
    with shown_in(stored.spec):
        if sensitive:
            found = _sensitivity(stored, measure, leave, samples, part, data_dir, trained)
            return _tell_sensitivity(found, output or _beside(trained.place), format_)
        assert output is not None
        if channels is not None:
            from netspec.slimming.prune import Wish, prune_channels

            wish = Wish(channels, measure, scope, multiple, minimum, leave)
            slimmed = prune_channels(stored.spec, stored.weights, wish, output)
        else:
            assert sparsity is not None
            slimmed = _without_weights(stored, sparsity, scope, leave, output)
    _write(slimmed, output, format_)


_OF = {
    "--by": ("--channels", "--sensitivity"),
    "--scope": ("--channels", "--weights"),
    "--multiple": ("--channels",),
    "--minimum": ("--channels",),
    "--samples": ("--sensitivity",),
    "--part": ("--sensitivity",),
    "--data-dir": ("--sensitivity",),
}
"""Options that only some ways of pruning read."""


def _refuse_unused(way: str) -> None:
    """A usage error where an option is given that ``way`` would silently ignore."""
    context = click.get_current_context()
    for parameter in context.command.params:
        ways = _OF.get(parameter.opts[0])
        given = context.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
        if ways is not None and given and way not in ways:
            raise click.UsageError(f"{parameter.opts[0]} means nothing to {way}; it is of {' and '.join(ways)}")


def _checked(output: Path | None, force: bool) -> Path:
    if output is None:
        raise click.UsageError("-o SPEC says where the smaller network goes")
    if output.suffix not in (".yaml", ".yml"):
        raise click.UsageError(f"-o names a spec, such as {output.stem}.yaml; the weights go beside it")
    if output.exists() and not force:
        raise click.UsageError(f"{str(output)!r} is there already; --force replaces it")
    return output


def _stored(trained: Trained) -> StoredNetwork:
    """The network with all of its weights; a usage error where the command line does not say which."""
    from netspec.training.open_run import stored_run, stored_weights

    if trained.is_run:
        return stored_run(Path(trained.place), trained.kept or "last", trained.averaged)
    assert trained.weights is not None
    return stored_weights(load(trained.place, ()), trained.weights)


def _without_weights(
    stored: StoredNetwork, sparsity: float, scope: Scope, leave: tuple[str, ...], output: Path
) -> Slimmed:
    from netspec.declarations.options import Prune
    from netspec.slimming.prune import prune_weights

    words = {(): "none", ("first",): "first", ("last",): "last", ("first", "last"): "both"}
    left = words.get(tuple(sorted(set(leave))))
    if left is None:
        given = " and ".join(map(repr, leave))
        raise click.UsageError(f"of --weights, --leave takes first, last, or both in turn, not {given}")
    prune = Prune(sparsity=sparsity, scope=scope, leave=left)
    return prune_weights(stored.spec, stored.weights, prune, output)


def _sensitivity(
    stored: StoredNetwork,
    measure: Measure | None,
    leave: tuple[str, ...],
    samples: int | None,
    part: Literal["validation", "test", "train"],
    data_dir: str | None,
    trained: Trained,
) -> Sensitivity:
    import numpy as np

    from netspec.data.read import data_folder
    from netspec.slimming.prune import candidates
    from netspec.slimming.sensitivity import sensitivity
    from netspec.training.evaluate_run import part_of
    from netspec.training.open_run import running
    from netspec.training.threads import available_threads

    among = candidates(stored.spec, stored.weights, measure, leave)
    opened = running(stored, trained.backend, trained.threads or available_threads())
    _, scored = part_of(opened, data_folder(data_dir), part)
    if samples is not None:  # evenly from the part, in which classes may stand one after the other
        count = min(samples, len(scored))
        scored = scored.take(np.arange(count) * len(scored) // count)
    return sensitivity(opened.runtime, stored.weights, among, scored, note)


def _beside(run: str) -> Path | None:
    """Where a table goes that nobody asked to be kept elsewhere: into the run that it is of."""
    return Path(run) / "sensitivity.json" if Path(run).is_dir() else None


def _write(slimmed: Slimmed, output: Path, format_: str) -> None:
    from netspec.slimming.prune import weights_beside, write_slimmed

    write_slimmed(slimmed, output)
    files = [str(output), str(weights_beside(output))]
    if format_ == "json":
        return click.echo(json.dumps({**slimmed.document(), "files": files}, indent=2))
    click.echo("\n".join([*_rows(slimmed), "", *_totals(slimmed), "", f"wrote {' and '.join(map(escape, files))}"]))


def _rows(slimmed: Slimmed) -> list[str]:
    head = ("layer", "weights" if slimmed.zeros else "channels", "left", "")
    rows = [
        (row.name, f"{row.before:,}", f"{row.left:,}", f"whole: {row.reason}" if row.reason else "")
        for row in slimmed.rows
    ]
    return [f"chosen by {slimmed.by}", "", *columns([head, *rows], frozenset({1, 2}))]


def _totals(slimmed: Slimmed) -> list[str]:
    if slimmed.zeros:
        return [f"{slimmed.zeros:,} of {slimmed.before.params:,} numbers are 0 now"]
    pairs = (
        ("parameters", slimmed.before.params, slimmed.after.params),
        ("MACs", slimmed.before.macs, slimmed.after.macs),
    )
    rows = [(name, f"{old:,}", f"{new:,}", f"{new / old:.1%}") for name, old, new in pairs if old]
    return columns([("", "before", "after", ""), *rows], frozenset({1, 2, 3}))


def _tell_sensitivity(found: Sensitivity, output: Path | None, format_: str) -> None:
    document = found.document()
    if output is not None:
        with writing(output):
            write_json(output, document)
        note(f"wrote {escape(str(output))}")
    click.echo(json.dumps(document, indent=2) if format_ == "json" else "\n".join(_table(document)))


def _table(document: dict[str, Any]) -> list[str]:
    """A row per group: the first metric, or the loss where nothing else is measured."""
    metric = next((name for name in document["whole"] if name != "loss"), "loss")
    whole = document["whole"][metric]
    heading = f"{metric} on {document['samples']:,} samples, of the whole network {whole:.4f}, without a share of"
    head = ("layer", "channels", *(f"{share:.0%}" for share in document["shares"]))
    rows = []
    for group in document["groups"]:
        first, *others = group["layers"]
        name = f"{first} + {len(others)} more" if others else first
        rows.append((name, str(group["channels"]), *(f"{scores[metric]:.4f}" for scores in group["scores"])))
    return [heading, "", *columns([head, *rows], frozenset(range(1, len(head))))]
