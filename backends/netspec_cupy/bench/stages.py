"""The five stages. Each has its share of the time, stops when that is over, and says what it left out."""

from __future__ import annotations

import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from netspec.bench.case import Case as MeasuredCase
from netspec.bench.case import Measured, read_case, write_case
from netspec.core.graph import REGIONS
from netspec.core.reference import UNIT_ROUNDOFF, Case
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.plan import Plan, make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.target import Precision, errors_of
from netspec.testing import Trial, all_cases, check_trial, inference_trial, training_trial
from netspec.training.runtime import Loaded, Runtime
from netspec.zoo import zoo_path
from netspec_cupy import nvrtc
from netspec_cupy.bench import peer as torch_peer
from netspec_cupy.bench.primitives import complaints
from netspec_cupy.bench.results import Folder
from netspec_cupy.bench.subject import Layer, Subject

MINUTES = 28.0
STAGES = {"versions": 2, "tests": 9, "layers": 6, "steps": 9, "profile": 2}
"""The stages in order, and how many parts of the time each may take."""
Notice = Callable[[str], None]
GRADIENTS = ("conv", "conv.dx", "conv.dw")


@dataclass(slots=True)
class Turn:
    """One stage under way: until when it may run, and what it did not come to."""

    subject: Subject
    until: float
    folder: Folder
    notice: Notice
    left_out: list[str] = field(default_factory=list)

    def goes_on(self, what: str) -> bool:
        """Whether there is time for ``what``; it is written down where there is not."""
        if time.monotonic() < self.until:
            self.notice(f"  {what}")
            return True
        self.left_out.append(what)
        return False

    @property
    def seconds(self) -> float:
        """What is left."""
        return max(self.until - time.monotonic(), 1.0)


def run_stages(subject: Subject, folder: Folder, wanted: Sequence[str], seconds: float, notice: Notice) -> bool:
    """Run those of the wanted stages that have no results yet, and save each one's; whether all passed."""
    passed, due = True, [stage for stage in STAGES if stage in wanted and not folder.has(stage)]
    end = time.monotonic() + seconds
    for place, stage in enumerate(due):
        share = STAGES[stage] / sum(STAGES[each] for each in due[place:])
        begun = time.monotonic()
        turn = Turn(subject, begun + share * max(end - begun, 1.0), folder, notice)
        notice(f"{stage}, at most {turn.seconds:.0f} s")
        try:
            results: Mapping[str, Any] = _WORK[stage](turn)
        except Exception as error:  # what one stage dies of shall not cost the others
            results = {"error": str(error), "traceback": traceback.format_exc(), "passed": False}
        took = time.monotonic() - begun
        folder.write(stage, {**results, "left_out": turn.left_out, "seconds": took, "done": "error" not in results})
        passed = passed and results.get("passed", True)
    return passed


def versions(turn: Turn) -> dict[str, Any]:
    """What runs here, and whether each name of ``device.cuh`` does on it what it does on the host half."""
    device = turn.subject.device
    found: dict[str, Any] = {
        "device": device.name,
        "capability": device.capability,
        "processors": device.processors,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "nvrtc": nvrtc.version(),
    }
    if not torch_peer.missing():
        found |= torch_peer.Peer(turn.subject.torch_device).versions()
    wrong = {name: text for name, text in complaints(device).items() if text}
    return {"versions": found, "primitives": wrong, "passed": not wrong}


def tests(turn: Turn) -> dict[str, Any]:
    """The tests that need a GPU and, with what time is left, compute-sanitizer over some of them."""
    if not turn.subject.tests:
        return _some_cases(turn)
    command = [sys.executable, "-m", "pytest", *turn.subject.tests]
    found = {"tests": _run(turn, command, "tests.log", turn.seconds * 0.8)}
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is not None and turn.goes_on("compute-sanitizer"):
        checked = [sanitizer, "--error-exitcode", "9", *command, "-k", "sanitized"]
        found["sanitizer"] = _run(turn, checked, "sanitizer.log", turn.seconds)
    return {**found, "passed": all(code == 0 for code in found.values())}


def _run(turn: Turn, command: Sequence[str], log: str, seconds: float) -> int | None:
    """The exit status of a program whose output goes to a file of the results; None where its time was over."""
    with turn.folder.path(log).open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return None
    return done.returncode


def _some_cases(turn: Turn) -> dict[str, Any]:
    wrong = {}
    for case in all_cases()[:3]:
        if turn.goes_on(str(case)):
            wrong[str(case)] = check_trial(turn.subject.backend, inference_trial(case))
    return {"complaints": wrong, "passed": not any(wrong.values())}


def layers(turn: Turn) -> dict[str, Any]:
    """Convolutions alone: forward and both gradients, in every precision and by every algorithm, beside PyTorch."""
    rows: list[dict[str, Any]] = []
    for precision in turn.subject.precisions:
        for layer in turn.subject.layers:
            if turn.goes_on(f"{layer.name}, {precision}"):
                rows += _layer_rows(turn.subject, layer, precision)
    return {"rows": rows}


def _layer_rows(subject: Subject, layer: Layer, precision: Precision) -> Iterator[dict[str, Any]]:
    batch = subject.layer_batch
    attrs = Conv(
        filters=layer.filters,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=layer.kernel // 2,
        groups=layer.groups,
        bias=False,
    )
    trial = training_trial(Case(attrs, (TensorType((layer.side, layer.side, layer.channels)),)), batch)
    ours = _layer_seconds(subject, trial, precision)
    peer = None if torch_peer.missing() else torch_peer.Peer(subject.torch_device)
    theirs: Mapping[str, Callable[[], object]] = {}
    if peer is not None:
        peer.use(precision)
        theirs = peer.layer(layer, batch, precision)
    size = f"{layer.side}x{layer.side}x{layer.channels}, batch {batch}"
    for op in GRADIENTS:
        peers = {}
        if peer is not None and op in theirs:
            times = [peer.timed(theirs[op], subject.repeats) for _ in range(subject.rounds)]
            peers = {"eager": statistics.median(times[1:] or times)}
        for place, (algorithm, seconds) in enumerate(ours[op].items()):
            row = {"what": f"{layer.name}: {op}", "size": size, "precision": precision, "algorithm": algorithm}
            if place:  # not the one that is chosen
                row["what"] += f" by {algorithm}"
            yield {**row, "seconds": seconds, "peers": {} if place else peers}


def _layer_seconds(subject: Subject, trial: Trial, precision: Precision) -> dict[str, dict[str, float]]:
    """By op, then by algorithm, seconds of a run: by the algorithm that is chosen, then by others of this precision."""
    found: dict[str, dict[str, float]] = {op: {} for op in GRADIENTS}
    chosen = make_plan(trial.graph, subject.backend.target(1), trial.batch, "train", precision=precision)
    alternatives = {each for step in chosen.steps for each in step.alternatives}
    others = sorted(each for each in alternatives if precision == "float32" or errors_of(each) == precision)
    for algorithm in (None, *others):
        wanted = {step.node.outputs[0].name: algorithm for step in chosen.steps if algorithm in step.alternatives}
        forced = {name: each for name, each in wanted.items() if each is not None}
        target = subject.backend.target(1)
        plan = make_plan(trial.graph, target, trial.batch, "train", algorithms=forced, precision=precision)
        for place, seconds in _step_seconds(subject, plan, trial).items():
            step = plan.steps[place]
            if step.node.op.name in found:
                found[step.node.op.name].setdefault(step.algorithm, seconds)
    return found


def _step_seconds(subject: Subject, plan: Plan, trial: Trial) -> dict[int, float]:
    """By place in the plan, the median of a step's seconds."""
    state = subject.backend.state(plan)
    for name, array in trial.state.items():
        state.write(name, array)
    executable = subject.backend.load(plan, state, 1)
    executable.run(trial.inputs, trial.scalars, trial.batch)
    runs = subject.rounds * subject.repeats
    times = [executable.profile(trial.inputs, trial.scalars, trial.batch, REGIONS) for _ in range(runs)]
    return {place: statistics.median(each[place] for each in times) for place in times[0]}


def steps(turn: Turn) -> dict[str, Any]:
    """Whole training steps, from the batch in the processor's memory to the new weights, beside PyTorch."""
    rows = []
    for name, batch in turn.subject.networks:
        for precision in turn.subject.precisions:
            if turn.goes_on(f"{name}, {precision}"):
                with tempfile.TemporaryDirectory(prefix="netspec-gpu-bench-") as scratch:
                    rows.append(_step_row(turn.subject, name, batch, precision, Path(scratch)))
    return {"rows": rows, "passed": all(row["agrees"] is not False for row in rows)}


class _Ours:
    """A network of a case on the subject's backend, ready to be trained step by step."""

    def __init__(self, subject: Subject, measured: Measured, precision: Precision) -> None:
        recipe = replace(measured.recipe, precision=precision)
        self._runtime = Runtime(measured.graph, recipe, subject.backend, measured.case.batch, 1, True)
        for name, array in measured.weights().items():
            if name in self._runtime.weight_shapes:
                self._runtime.state.write(name, array)
        self.loaded: Loaded = self._runtime.load("train", "float32")
        self.fed, self.batch = self.loaded.feed(measured.inputs, measured.targets), measured.case.batch
        self._rate, self._steps = measured.case.rate, 0
        self.plan = self._runtime.plan("train", "float32")

    def scalars(self) -> Mapping[str, float]:
        """Those of the next step."""
        self._steps += 1
        return self._runtime.scalars(self._rate, self._steps)

    def step(self) -> None:
        """One step, of which nothing is waited for."""
        self.loaded.executable.run(self.fed, self.scalars(), self.batch)

    def loss(self) -> float:
        """Of the last step."""
        return float(self.loaded.executable.output("loss"))


def _written(name: str, batch: int, folder: Path) -> Measured:
    path = zoo_path(name.removeprefix("zoo:"))
    spec = load_spec(Source(str(path), path.read_text(encoding="utf-8")))
    case = MeasuredCase("train", batch, 1, True, "numba")  # which draws the weights alone
    for_torch = not torch_peer.missing()
    write_case(folder, spec, case, for_torch, False)
    return read_case(folder)


def _step_row(subject: Subject, name: str, batch: int, precision: Precision, folder: Path) -> dict[str, Any]:
    measured = _written(name, batch, folder)
    row: dict[str, Any] = {"what": f"{name}, training step", "size": f"batch {batch}", "precision": precision}
    ours = _Ours(subject, measured, precision)
    ours.step()
    row["loss"], row["agrees"] = ours.loss(), None
    peer = None if torch_peer.missing() else torch_peer.Peer(subject.torch_device)
    works: dict[str, Callable[[], Any]] = {}
    if peer is not None:
        peer.use(precision)
        for form in peer.forms():
            try:
                works[form] = peer.step(measured, form, precision)
                row["loss of PyTorch"] = float(works[form]())
            except Exception as error:  # a form that PyTorch cannot do here is left out, and it is said why
                works.pop(form, None)
                row[f"PyTorch {form}"] = str(error).splitlines()[:1]
    if works:
        # Of the first step, so that nothing has grown yet; PyTorch's own roundings take their share.
        allowed = 4 * UNIT_ROUNDOFF.get(precision, 2.0**-13)
        row["agrees"] = bool(abs(row["loss of PyTorch"] - row["loss"]) <= allowed * abs(row["loss"]))
    return row | _timed_in_turn(subject, ours, peer, works)


def _timed_in_turn(
    subject: Subject, ours: _Ours, peer: torch_peer.Peer | None, works: Mapping[str, Callable[[], Any]]
) -> dict[str, Any]:
    """Medians of rounds in which every side has its turn; what is compiled at first was compiled before."""
    mine: list[float] = []
    theirs: dict[str, list[float]] = {form: [] for form in works}
    for _ in range(2):  # as it is, and recorded
        ours.step()
    for _ in range(subject.rounds):
        mine.append(statistics.fmean(subject.device.timed([ours.step] * subject.repeats)))
        for form, work in works.items():
            theirs[form].append(peer.timed(work, subject.repeats) if peer else 0.0)
    return {
        "seconds": statistics.median(mine),
        "peers": {form: statistics.median(found) for form, found in theirs.items()},
    }


def profile(turn: Turn) -> dict[str, Any]:
    """Where our steps spend their time, and the layers at which PyTorch is ahead."""
    found: dict[str, Any] = {}
    for name, batch in turn.subject.networks:
        for precision in turn.subject.precisions:
            if turn.goes_on(f"{name}, {precision}"):
                with tempfile.TemporaryDirectory(prefix="netspec-gpu-bench-") as scratch:
                    found[f"{name}, batch {batch}, {precision}"] = _shares(
                        turn.subject, name, batch, precision, scratch
                    )
    lost = [
        row["what"] + ", " + row["precision"]
        for row in turn.folder.read("layers").get("rows", ())
        if row["peers"] and min(row["peers"].values()) < row["seconds"]
    ]
    return {"seconds by op": found, "behind PyTorch": lost}


def _shares(subject: Subject, name: str, batch: int, precision: Precision, scratch: str) -> dict[str, float]:
    """Seconds by op, the most first."""
    ours = _Ours(subject, _written(name, batch, Path(scratch)), precision)
    ours.step()
    measured = partial(ours.loaded.executable.profile, ours.fed)  # type: ignore[attr-defined]  # ours has one
    times = [measured(ours.scalars(), ours.batch, REGIONS) for _ in range(subject.rounds)]
    shares: dict[str, float] = {}
    for place in times[0]:
        op = ours.plan.steps[place].node.op.name
        shares[op] = shares.get(op, 0.0) + statistics.median(each[place] for each in times)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


_WORK: Mapping[str, Callable[[Turn], dict[str, Any]]] = {
    "versions": versions,
    "tests": tests,
    "layers": layers,
    "steps": steps,
    "profile": profile,
}
