"""The optimiser and the rate of a solver of Caffe in the words of a spec."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netspec.core.declare import REGISTRIES
from netspec.diagnostics import Diagnostic
from netspec.interop.caffe.prototxt import Message

_NUMBERED = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
TYPES: Mapping[str, str] = {
    "": "SGD",
    **{str(number): name for number, name in enumerate(_NUMBERED)},
    **{name.upper(): name for name in _NUMBERED},
}
"""What ``solver_type`` of the first version is called as a ``type``."""


@dataclass(frozen=True, slots=True)
class Length:
    """How long an epoch is: samples of a batch, batches of an update, and samples of the training part."""

    batch: int
    accumulate: int
    samples: int

    @property
    def updates(self) -> int:
        """Updates of an epoch here; the last may be of fewer batches."""
        batches = -(-self.samples // self.batch)
        return -(-batches // self.accumulate)

    def epochs(self, iterations: int) -> float:
        """How often each sample is seen in so many iterations."""
        return iterations / self.updates


@dataclass(frozen=True, slots=True)
class Words:
    """A solver, and what became of its fields so far.

    ``rows`` are what a field became and a note, ``told`` findings that leave the spec as it is, ``refused`` those
    without which none can be written.
    """

    solver: Message
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    told: list[Diagnostic] = field(default_factory=list)
    refused: list[Diagnostic] = field(default_factory=list)

    @property
    def policy(self) -> str:
        """How the rate goes."""
        return self.solver.text("lr_policy", "fixed")

    def became(self, name: str, what: str, note: str = "") -> None:
        """Note what a field of the solver is in the spec."""
        self.rows[name] = (what, note)

    def leave(self, name: str, what: str, instead: str) -> None:
        """Tell that a field is left out, and what the spec has in its place."""
        places = self.solver.scalars(name)
        span = places[-1].span if places else self.solver.span
        self.told.append(Diagnostic("NS962", span, {"what": what, "instead": instead}))
        self.rows[name] = ("", "left out")


# Optimisers


def optimizer(words: Words, decay_on: str | None, accumulate: int) -> Any:
    """The optimiser as a spec has it.

    ``decay_on`` is what decays, None where that is not the same for all parameters. Caffe shortens the sum of
    ``accumulate`` gradients, netspec their mean.
    """
    solver = words.solver
    kind = solver.text("type") or TYPES.get(solver.text("solver_type").upper(), "?")
    make = _OPTIMIZERS.get(kind.upper())
    if make is None:
        places = solver.scalars("type") or solver.scalars("solver_type")
        words.refused.append(Diagnostic("NS963", places[-1].span, {"type": places[-1].text}))
        return {}
    name, fields = make
    said: dict[str, Any] = {}
    usual = {each.name: each.default for each in REGISTRIES["optimizer"][name].attributes}
    for theirs, (ours, default) in fields.items():
        if (value := solver.number(theirs, default)) != usual[ours]:
            said[ours] = value
        words.became(theirs, f"optimizer.{ours}: {value:g}")
    if kind.upper() == "NESTEROV":
        said["nesterov"] = True
    for field_ in ("type", "solver_type"):
        words.became(field_, f"optimizer: {name}")
    decay, l1 = solver.number("weight_decay", 0.0), solver.text("regularization_type", "L2") == "L1"
    words.became("regularization_type", "", "the square of the weights, as anywhere")
    if decay and l1:
        words.leave("regularization_type", "decay by the sign of the weights (L1)", "no weight decay is written")
        words.became("weight_decay", "", "left out")
    elif decay:
        said |= {"weight_decay": decay, **({"decay_on": "weights"} if decay_on == "weights" else {})}
        words.became("weight_decay", f"optimizer.weight_decay: {decay:g}")
    if (clip := solver.number("clip_gradients", -1.0)) > 0:
        said["clip_norm"] = clip / accumulate
        words.became("clip_gradients", f"optimizer.clip_norm: {said['clip_norm']:g}")
    return {name: said} if said else name


_EPS = {"delta": ("eps", 1e-8)}
_OPTIMIZERS: Mapping[str, tuple[str, Mapping[str, tuple[str, float]]]] = {
    "SGD": ("sgd", {"momentum": ("momentum", 0.0)}),
    "NESTEROV": ("sgd", {"momentum": ("momentum", 0.0)}),
    "ADAGRAD": ("adagrad", _EPS),
    "RMSPROP": ("rmsprop", {"rms_decay": ("rho", 0.99), **_EPS}),
    "ADADELTA": ("adadelta", {"momentum": ("rho", 0.0), **_EPS}),
    "ADAM": ("adam", {"momentum": ("beta1", 0.0), "momentum2": ("beta2", 0.999), **_EPS}),
}
"""By type, in capitals: netspec's name, and of Caffe's fields which attribute each is and what it is unless said."""


# Rates


def schedule(words: Words, length: Length | None) -> Any:
    """The rate as a spec has it; None where the solver says nothing of it, or it has been refused."""
    solver, policy = words.solver, words.policy
    if not solver.scalars("base_lr"):
        return None
    start = solver.number("base_lr", 0.0)
    words.became("base_lr", f"lr: {start:g}")
    make = _POLICIES.get(policy)
    if make is None:
        words.leave("lr_policy", f"the policy '{policy}'", f"the rate stays {start:g}")
        return start
    if length is None and policy not in ("fixed", "poly"):
        return None  # refused where iterations are counted
    said = make(words, length, start)
    name = "constant" if isinstance(said, float) else next(iter(said))
    words.became("lr_policy", f"lr: {name}")
    return said


def _whole_epochs(words: Words, name: str, iterations: int, length: Length) -> int:
    """After which epoch something happens; noted where that is not when Caffe does it."""
    epochs = length.epochs(iterations)
    whole = max(round(epochs), 1)
    note = "" if epochs == whole else f"{iterations:,} iterations are {epochs:.3g} epochs"
    before = words.rows.get(name, ("", ""))[1]
    words.became(name, f"lr, after epoch {whole}", "; ".join(filter(None, (before, note))))
    return whole


def _gamma(words: Words, becomes: str) -> float:
    words.became("gamma", becomes)
    return words.solver.number("gamma", 0.0)


_MOST = 700.0
"""The largest power of e that is a number, nearly."""


def _short(value: float) -> float:
    """Without the last digits, which only rounding has made."""
    return float(f"{value:.12g}")


def _fixed(words: Words, length: Length | None, start: float) -> Any:
    return start


def _step(words: Words, length: Length | None, start: float) -> Any:
    assert length is not None
    every = _whole_epochs(words, "stepsize", words.solver.whole("stepsize", 0), length)
    return _dropping(words, start, {"step": {"start": start, "every": every}})


def _multi_step(words: Words, length: Length | None, start: float) -> Any:
    assert length is not None
    values, last = words.solver.wholes("stepvalue"), words.solver.whole("max_iter", 0)
    within = [value for value in values if not last or value < last]
    drops = [_whole_epochs(words, "stepvalue", value, length) for value in within]
    if not drops:
        words.became("stepvalue", "", "behind the end of the run")
        return start
    return _dropping(words, start, {"multi_step": {"start": start, "drops": drops}})


def _dropping(words: Words, start: float, said: dict[str, dict[str, Any]]) -> Any:
    """A rate that drops by gamma; a spec has no rate of 0."""
    gamma = _gamma(words, "lr.factor")
    if gamma <= 0:
        words.leave("gamma", "a rate that drops to 0", f"the rate stays {start:g}")
        return start
    return {name: {**attributes, "factor": gamma} for name, attributes in said.items()}


def _exponential(words: Words, length: Length | None, start: float) -> Any:
    assert length is not None
    gamma = _gamma(words, "lr.factor, per epoch")
    grows = length.updates * math.log(gamma) if gamma > 0 else -math.inf
    if not abs(grows) < _MOST:
        words.leave("gamma", "a rate that ends in 0 or beyond all bounds", f"the rate stays {start:g}")
        return start
    return {"exponential": {"start": start, "factor": _short(math.exp(grows))}}


def _inverse(words: Words, length: Length | None, start: float) -> Any:
    assert length is not None
    decay, power = _short(_gamma(words, "lr.decay, per epoch") * length.updates), words.solver.number("power", 0.0)
    words.became("power", f"lr.power: {power:g}")
    return start if power <= 0 else {"inverse": {"start": start, "decay": decay, "power": power}}


def _polynomial(words: Words, length: Length | None, start: float) -> Any:
    power = words.solver.number("power", 0.0)
    words.became("power", f"lr.power: {power:g}")
    return start if power <= 0 else {"polynomial": {"start": start, "power": power}}


_POLICIES: Mapping[str, Callable[[Words, Length | None, float], Any]] = {
    "fixed": _fixed,
    "step": _step,
    "multistep": _multi_step,
    "exp": _exponential,
    "inv": _inverse,
    "poly": _polynomial,
}
