"""Going on with a run: where it stands, whether it still is the same run, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import read_weights
from netspec.training.checkpoints import Checkpoint, newest_checkpoint, set_aside
from netspec.training.facts import RECIPE
from netspec.training.lock import lock
from netspec.training.position import START, Position
from netspec.training.runs import MANIFEST, Run, read_manifest, refuse_quantized
from netspec.training.runtime import Runtime

_RATES_COMPARED = 1000
"""Steps at which two schedules are compared, at most; they are smooth or change at whole epochs."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run to go on with at ``begin``, and what a person has to be told about it."""

    run: Run
    begin: Position
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What is damaged of it, which is to be told even where notes are not."""


def given_settings(folder: Path) -> dict[str, int]:
    """The epochs, batch and seed that the command line of the run in ``folder`` set; none where there is no run."""
    if not (folder / MANIFEST).exists():
        return {}
    given: dict[str, int] = read_manifest(folder).get("given", {})
    return given


def resume_run(
    folder: Path, spec_text: str, facts: Mapping[str, Any], runtime: Runtime, steps_per_epoch: int, allow_changes: bool
) -> Resumed:
    """Take up the run in ``folder`` and bring ``runtime`` to its newest whole checkpoint; without one it starts anew.

    ``facts`` is the manifest of a run that would begin now. A RunError lists what differs from those of the run, unless
    ``allow_changes``; then the epoch under way starts over. A RunError too where another process uses the folder,
    it holds something else, as a quantised network (NS862), or all checkpoints are damaged.
    """
    if not (folder / MANIFEST).exists():
        run = Run.create(folder, spec_text, facts, resume=True)
        return Resumed(run, START, (f"'{folder}' holds no run yet: this one starts from the start",))
    held = lock(folder)
    try:
        manifest = read_manifest(folder)
        refuse_quantized(folder, manifest)
        checkpoint, damages = newest_checkpoint(folder / "checkpoints", manifest.get("last"))
        if checkpoint is None:
            run = Run(folder, facts, held)
            run.begin(spec_text)
            return Resumed(run, START, ("the run has no checkpoint yet: it starts from the start",))
        changes = changes_since(manifest, facts, runtime, checkpoint, steps_per_epoch)
        if changes and not allow_changes:
            raise _refusal(folder, changes)
        begin = _position(checkpoint, runtime.recipe.epochs, bool(changes))
        restore(runtime, checkpoint)
        entry = {"at": facts["started"], "command": facts["command"], "step": begin.step, "changes": changes}
        kept = {"started": manifest["started"], "resumed": [*manifest.get("resumed", []), entry]}
        for name in damages:
            set_aside(folder / "checkpoints", name)
        run = Run(folder, {**facts, **kept}, held, checkpoint)
        run.begin(spec_text)
    except BaseException:
        held.release()
        raise
    lines = [*circumstances(manifest, facts), *(f"changed: {change}" for change in changes)]
    where = _where(checkpoint, begin, runtime.recipe.epochs)
    aside = "its files are kept as '….damaged'"
    warnings = tuple(f"{problem}\n  {aside}; {where}" for problem in damages.values())
    return Resumed(run, begin, (*lines, where), warnings)


def changes_since(
    manifest: Mapping[str, Any], facts: Mapping[str, Any], runtime: Runtime, at: Checkpoint, steps_per_epoch: int
) -> list[str]:
    """What would lead to other weights than the undisturbed run, a line each."""
    pairs = [(name, manifest.get(name), facts[name]) for name in ("seed", "batch", "backend")]
    before: Mapping[str, Any] = manifest.get("recipe", {})
    pairs += [(f"train.{name}", before[name], facts["recipe"][name]) for name in RECIPE if name in before]
    changes = [f"{name}: {old} → {new}" for name, old, new in pairs if old != new]
    if manifest["data"]["sha256"] != facts["data"]["sha256"]:
        changes.append(f"the data: {_data(manifest)} → {_data(facts)}")
    compared, what = "plan_sha256", "the plan, which follows from the network, its training and the kernels"
    if _ranks(manifest) != _ranks(facts):  # the plan is for a rank's piece of a batch
        compared, what = "network_sha256", "the network"
    if manifest.get(compared, facts[compared]) != facts[compared]:
        old, new = (str(document[compared])[:12] for document in (manifest, facts))
        changes.append(f"{what}: {old} → {new}")
    epochs = int(manifest["epochs"]), int(facts["epochs"])
    if _rates_differ(runtime.recipe.lr, at.step, steps_per_epoch, epochs):
        changes.append(f"epochs: {epochs[0]} → {epochs[1]}, on which the learning rates of the steps done depend")
    return changes


def _ranks(manifest: Mapping[str, Any]) -> int:
    """How many ranks share the batches of a run."""
    return int(manifest.get("world", {}).get("size", 1))


def _data(manifest: Mapping[str, Any]) -> str:
    data = manifest["data"]
    samples = "/".join(str(count) for count in data["samples"].values())
    return f"{data['name']} ({samples} samples, {data['sha256'][:12]})"


def _rates_differ(schedule: Any, done: int, steps_per_epoch: int, epochs: tuple[int, int]) -> bool:
    """Whether a step that is done would have had another rate in a run of the other length."""
    if epochs[0] == epochs[1]:
        return False
    steps = range(0, done, -(-done // _RATES_COMPARED)) if done else range(0)
    first, second = ([schedule.at(step, steps_per_epoch, count) for step in steps] for count in epochs)
    return bool(first != second)


def _refusal(folder: Path, changes: list[str]) -> RunError:
    listed = "\n".join(f"  {change}" for change in changes)
    return RunError(
        f"the run '{folder}' would not go on as it began, since this changed:\n{listed}\n"
        "  help: undo the change, give another --run-dir, or go on all the same with --allow-changes"
    )


def _position(checkpoint: Checkpoint, epochs: int, changed: bool) -> Position:
    """Where to go on. Half an epoch of other data or batches would see some samples twice and others never."""
    position = checkpoint.position
    reached = position.epoch + (position.underway is not None)
    if reached > epochs:
        asked = "1 epoch is" if epochs == 1 else f"{epochs} epochs are"
        raise RunError(f"the run is in epoch {reached} already, but {asked} asked for: give more --epochs")
    return replace(position, underway=None) if changed else position


def restore(runtime: Runtime, checkpoint: Checkpoint) -> None:
    """Weights, statistics and moments of the checkpoint; a RunError lists what does not fit the network."""
    for slots, file in ((runtime.weights, checkpoint.weights), (runtime.moments, checkpoint.moments)):
        shapes = {slot.name: slot.param.shape for slot in slots}
        for name, array in read_weights(file, shapes).items():
            runtime.state.write(name, array)


def circumstances(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What may change the last bits though it is none of the run's own settings."""
    found: dict[str, tuple[object, object]] = {"ranks": (_ranks(manifest), _ranks(facts))}
    found |= {"processor": (manifest["machine"]["processor"], facts["machine"]["processor"])}
    found |= {name: (manifest["versions"].get(name), new) for name, new in facts["versions"].items()}
    return [
        f"{name}: {old} → {new}; the last bits may differ from those of an undisturbed run"
        for name, (old, new) in found.items()
        if old != new
    ]


def _where(checkpoint: Checkpoint, begin: Position, epochs: int) -> str:
    if begin.epoch == epochs:
        whole = "its epoch" if epochs == 1 else f"its {epochs} epochs"
        return f"the run is done with {whole}: nothing is left to train"
    place = "is next" if begin.underway is None else f"goes on after batch {begin.underway.batches}"
    done = f"{begin.epoch} epoch{'' if begin.epoch == 1 else 's'} and {begin.step:,} steps are done"
    return f"going on from the checkpoint '{checkpoint.name}': {done}, epoch {begin.epoch + 1} {place}"
