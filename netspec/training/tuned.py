"""Algorithms that were measured: which one each step of a plan takes, as a file, and what that file is for.

A run directory keeps its file, so that whatever is done with the run later computes with the same algorithms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from netspec.core.graph import Graph
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.plan import Mode, Plan, Step
from netspec.training.files import write_json, writing
from netspec.training.hashes import network_sha256, sha256

TUNED = "tuned.json"
"""What a run directory calls it."""
_VERSION = 1


class Conditions(NamedTuple):
    """What the steps of a plan follow from, beside its mode; algorithms are measured for it."""

    network: str
    """The hash of what the network computes."""
    backend: str
    batch: int
    math: str
    precision: str


def conditions(network: Graph, recipe: Recipe, backend: str, batch: int) -> Conditions:
    """Those of a network's plans for up to ``batch`` samples."""
    return Conditions(network_sha256(network), backend, batch, recipe.math, recipe.precision)


@dataclass(frozen=True, slots=True)
class TunedStep:
    """Equal steps: the first value that each of them makes, the algorithm they take, and the times of all."""

    values: tuple[str, ...]
    op: str
    types: tuple[str, ...]
    """Those of the inputs, then of the outputs."""
    algorithm: str
    milliseconds: Mapping[str, float]
    """Of one of the steps, by algorithm."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The algorithms of a network's plans, by mode; ``measured`` is with what, and is told only."""

    made_for: Conditions
    plans: Mapping[Mode, tuple[TunedStep, ...]]
    measured: Mapping[str, Any]
    file: str = field(default=TUNED, compare=False)

    def chosen(self, plan: Plan) -> dict[str, str]:
        """The algorithms of a plan of these conditions, as ``make_plan`` takes them.

        Values that the plan does not make are left out: the same layers may be fed with bytes. An NS173 names an
        algorithm that does not compute its step.
        """
        said = {value: step.algorithm for step in self.plans.get(plan.mode, ()) for value in step.values}
        found = {}
        for step in choosable(plan):
            value = step.node.outputs[0].name
            algorithm, known = said.get(value, step.algorithm), (step.algorithm, *step.alternatives)
            if algorithm not in known:
                listed = ", ".join(sorted(known))
                raise RunError.of("NS173", path=self.file, step=value, algorithm=algorithm, known=listed)
            found[value] = algorithm
        return found

    def refuse_others(self, now: Conditions, mode: Mode) -> None:
        """An NS172 where it was measured for other conditions than those of ``now``, or not for plans of this mode."""
        before, expected = self.made_for._asdict(), now._asdict()
        differing = [_said(name, before[name], expected[name]) for name in before if before[name] != expected[name]]
        if mode not in self.plans:
            differing.append(f"mode {' and '.join(self.plans)}, not {mode}")
        if differing:
            raise RunError.of("NS172", path=self.file, differing="; ".join(differing))

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plans = {mode: [asdict(step) for step in steps] for mode, steps in self.plans.items()}
        return {"version": _VERSION, **self.made_for._asdict(), "measured": dict(self.measured), "plans": plans}

    def sha256(self) -> str:
        """The hash of all of it."""
        return sha256(json.dumps(self.document(), sort_keys=True).encode())

    def write(self, file: Path) -> None:
        """Write it; an NS993 where that cannot be."""
        with writing(file):
            write_json(file, self.document())


def choosable(plan: Plan) -> Iterator[Step]:
    """The steps that a choice is for; what is made again goes as it went before."""
    return (step for step in plan.steps if step.alternatives and step.node.derived_from != "recomputation")


def _said(name: str, before: Any, now: Any) -> str:
    return "another network" if name == "network" else f"{name} {before}, not {now}"


def read_tuned(file: Path) -> Tuned:
    """What :meth:`Tuned.write` wrote; an NS171 where there is nothing of the kind."""
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise RunError.of("NS171", path=str(file), problem=f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError.of("NS171", path=str(file), problem=f"it is no JSON: {error}") from error
    try:
        found, version = _decoded(document, str(file)), document["version"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = "it does not say which algorithms were measured for what"
        raise RunError.of("NS171", path=str(file), problem=problem) from error
    if version != _VERSION:
        raise RunError.of("NS171", path=str(file), problem=f"it is of version {version}, and {_VERSION} is known")
    return found


def _decoded(document: Mapping[str, Any], file: str) -> Tuned:
    made_for = Conditions(**{name: document[name] for name in Conditions._fields})
    plans = {mode: tuple(_step(each) for each in steps) for mode, steps in document["plans"].items()}
    return Tuned(made_for, plans, dict(document["measured"]), file)


def _step(said: Mapping[str, Any]) -> TunedStep:
    times = {str(name): float(time) for name, time in said["milliseconds"].items()}
    values, types = (tuple(map(str, said[name])) for name in ("values", "types"))
    return TunedStep(values, str(said["op"]), types, str(said["algorithm"]), times)


def keep_tuned(folder: Path, tuned: Tuned | None) -> None:
    """Write the algorithms of a run into its directory, where they were measured."""
    if tuned is not None:
        tuned.write(folder / TUNED)


def kept_tuned(folder: Path, manifest: Mapping[str, Any]) -> Tuned | None:
    """The algorithms that a run began with, where they were measured; an NS174 where its directory has lost them."""
    expected = manifest.get("tuned_sha256")
    if expected is None:
        return None
    if not (folder / TUNED).exists():
        raise RunError.of("NS174", path=str(folder), file=TUNED, problem="is missing")
    found = read_tuned(folder / TUNED)
    if found.sha256() != expected:
        raise RunError.of("NS174", path=str(folder), file=TUNED, problem="holds others")
    return found
