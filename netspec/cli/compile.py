"""``netspec compile``: check, differentiate and plan; show the graph or the plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.analysis.memory import plan_for
from netspec.backend import Backend, find_backend
from netspec.cli.common import (
    backend_option,
    format_option,
    load,
    memory_budget_option,
    note,
    set_option,
    spec_argument,
    threads_option,
    tuned_option,
)
from netspec.cli.tables import columns
from netspec.core.verify import verify
from netspec.diagnostics.text import escape, size
from netspec.plan import Mode, Plan
from netspec.syntax.source import BUNDLE_SUFFIX
from netspec.syntax.spec import Spec
from netspec.target import Target
from netspec.training.files import write_output
from netspec.training.threads import available_threads

if TYPE_CHECKING:
    from netspec.training.tuned import Tuned


@click.command("compile")
@spec_argument
@set_option
@backend_option
@threads_option
@memory_budget_option
@format_option
@click.option("--mode", type=click.Choice(["train", "infer"]), default="train", help="A training step, or prediction.")
@click.option("--batch", type=click.IntRange(min=1), help="Largest batch; the spec's if left out.")
@click.option(
    "-o",
    "--output",
    metavar="BUNDLE",
    type=click.Path(path_type=Path),
    help=f"A file, NAME{BUNDLE_SUFFIX}, to write the spec to as it was checked and planned: train takes it, and with "
    "--weights so do eval and predict.",
)
@click.option(
    "--tune",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Measure every algorithm of each step that has several, here and with these threads, and write a file that "
    "--tuned takes. Of --mode train predictions are measured too.",
)
@tuned_option
@click.option("--emit", type=click.Choice(["graph", "plan"]), help="Show the graph, or the plan's steps and buffers.")
@click.option("--verify", "check", is_flag=True, help="Check the graph's invariants.")
def command(
    spec: str,
    overrides: tuple[str, ...],
    backend: str,
    threads: int | None,
    memory_budget: int | None,
    format_: str,
    mode: Mode,
    batch: int | None,
    output: Path | None,
    tune: Path | None,
    tuned: Path | None,
    emit: str | None,
    check: bool,
) -> None:
    """Check, differentiate and plan; fill the kernel cache.

    \b
    Example:
      netspec compile zoo:lenet5 --emit plan --batch 64
      netspec compile zoo:lenet5 -o lenet5.netspec
      netspec compile zoo:resnet20 --batch 128 --tune resnet20.json
    """
    if output is not None and output.suffix != BUNDLE_SUFFIX:
        raise click.UsageError(f"the name of a bundle ends in {BUNDLE_SUFFIX}: -o {output.stem}{BUNDLE_SUFFIX}")
    loaded = load(spec, overrides)
    loaded = replace(
        loaded,
        recipe=replace(loaded.recipe, batch=batch or loaded.recipe.batch, memory_budget=memory_budget),
    )
    machine, count = find_backend(backend), threads or available_threads()
    measured = _algorithms(loaded, machine, count, mode, tune, tuned)
    plan = _planned(loaded, machine.target(count), mode, measured)
    if check:
        verify(plan.graph)
    executable = machine.load(plan, machine.state(plan), count)
    executable.run(
        {}, dict.fromkeys((v.name for v in plan.graph.scalars), 1), plan.batch
    )  # kernels compile when first run
    if output is not None:
        _write(output, loaded, plan)
    if format_ == "json":
        written: dict[str, Any] = {} if output is None else {"bundle": str(output)}
        if tune is not None and measured is not None:
            written["tuned"] = measured.document()
        click.echo(json.dumps({"version": 1, "plan": plan.document(), **written}, indent=2))
    elif emit == "graph":
        click.echo(_graph(plan))
    elif emit == "plan":
        click.echo(_plan(plan))
    else:
        counts = f"{len(plan.steps)} steps, {len(plan.buffers)} buffers, {size(plan.total_bytes)}"
        click.echo(f"{escape(loaded.name)}: {counts} at batch {plan.batch}")
        if output is not None:
            click.echo(f"bundle: {escape(str(output))}")
        if tune is not None and measured is not None:
            click.echo("\n".join([f"algorithms: {escape(str(tune))}", *_times(measured)]))


def _algorithms(
    spec: Spec, backend: Backend, threads: int, mode: Mode, tune: Path | None, tuned: Path | None
) -> Tuned | None:
    """The algorithms that are measured now, or were before and are in a file; none where neither is asked for."""
    if tune is not None and tuned is not None:
        raise click.UsageError("--tune measures anew what --tuned takes from a file: give one of them")
    if tune is not None:
        return _measured(spec, backend, threads, mode, tune)
    return None if tuned is None else _read(spec, backend, mode, tuned)


def _planned(spec: Spec, target: Target, mode: Mode, tuned: Tuned | None) -> Plan:
    """The plan, with the algorithms that were measured for it."""
    plan = plan_for(spec, target, spec.recipe.batch, mode, spec.recipe.precision)
    if tuned is None:
        return plan
    return plan_for(spec, target, spec.recipe.batch, mode, spec.recipe.precision, tuned.chosen(plan))


def _measured(spec: Spec, backend: Backend, threads: int, mode: Mode, file: Path) -> Tuned:
    """The algorithms as they are measured now, which ``file`` keeps."""
    from netspec.bench.tuning import tune
    from netspec.training.runtime import Runtime

    runtime = Runtime(spec.graph, spec.recipe, backend, spec.recipe.batch, threads, mode == "train")
    if not file.absolute().parent.is_dir():
        raise click.UsageError(f"--tune {str(file)!r} cannot be written: there is no such folder")
    found = tune(runtime, note)
    found.write(file)
    return found


def _times(tuned: Tuned) -> list[str]:
    """A line for each kind of step: how many there are, what it reads and makes, its algorithm, and the times."""
    rows = []
    for mode, steps in tuned.plans.items():
        for step in steps:
            times = sorted(step.milliseconds.items(), key=lambda each: each[1])
            listed = ", ".join(f"{name} {time:.3g} ms" for name, time in times)
            rows.append((mode, f"{len(step.values)} x", step.op, " ".join(step.types), step.algorithm, listed))
    return columns(rows, right=(1,)) if rows else ["no step has several algorithms"]


def _read(spec: Spec, backend: Backend, mode: Mode, file: Path) -> Tuned:
    """The algorithms that were measured for the network."""
    from netspec.training.tuned import conditions, read_tuned

    found = read_tuned(file)
    found.refuse_others(conditions(spec.graph, spec.recipe, backend.name, spec.recipe.batch), mode)
    return found


def _write(path: Path, spec: Spec, plan: Plan) -> None:
    from netspec.training.bundles import encode_bundle

    write_output(path, encode_bundle(spec, plan))


def _graph(plan: Plan) -> str:
    lines, region = [], ""
    for node in plan.graph.nodes:
        if node.region != region:
            region = node.region
            lines.append(f"{region}:")
        types = ", ".join(str(v.type) for v in node.outputs)
        lines.append(f"  {node!r} : {types}")
    return "\n".join(lines)


def _plan(plan: Plan) -> str:
    lines = [f"arena {plan.arena_bytes:,} bytes, state {plan.state_bytes:,} bytes, batch {plan.batch}", ""]
    for number, step in enumerate(plan.steps):
        scratch = "".join(f" {name}@{plan.buffers[i].offset}" for name, i in step.scratch.items())
        ins, outs = (",".join(f"b{i}" for i in indices) for indices in (step.inputs, step.outputs))
        lines.append(
            f"{number:4} {step.node.region:8} {step.node.op.name:18} {step.node.path:24} {ins} -> {outs}{scratch}"
        )
    lines.append("")
    for b in plan.buffers:
        lines.append(
            f"  b{b.index:<4} {b.kind:8} {b.bytes:>12,} bytes at {b.offset:>12,}  steps {b.first}-{b.last}  {b.name}"
        )
    return "\n".join(lines)
