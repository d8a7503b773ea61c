"""Optimisers: each states its moments and its update, as scalar expressions over one number of a parameter.

Gradients are clipped before any rule sees them, each number first (``clip_value``), then all of them as one vector
(``clip_norm``; Pascanu et al. 2013). With ``decay_on: weights`` a parameter with a single axis does not decay.

Sources: Polyak 1964 and Sutskever et al. 2013 (momentum, Nesterov); Duchi et al. 2011 (AdaGrad); Tieleman and Hinton
2012 (RMSProp); Zeiler 2012 (AdaDelta); Kingma and Ba 2015 (Adam); Loshchilov and Hutter 2019 (AdamW).
"""

from __future__ import annotations

import math
from typing import Any

from netspec.core.attributes import attr
from netspec.core.declare import declare
from netspec.core.expression import Expression, exp, sqrt
from netspec.core.expression import inputs as variables
from netspec.core.graph import Param
from netspec.core.op import op
from netspec.core.types import TensorType


def _updated_types(
    update: Any, weight: TensorType, gradient: TensorType, rate: TensorType, step: TensorType, *moments: TensorType
) -> tuple[TensorType, ...]:
    """What every update makes: the weight and its moments, anew."""
    return (weight, *moments)


def _decay_on() -> Any:
    doc = "whether all parameters decay, or weights only: not those with one number per channel (biases, norms)"
    return attr(default="all", doc=doc, enum=("all", "weights"))


def _clip_value() -> Any:
    doc = "no number of a gradient goes beyond this, up or down; none: no limit"
    return attr(default=None, doc=doc, exclusiveMinimum=0)


def _clip_norm() -> Any:
    doc = (
        "gradients longer than this, all of them as one vector, are shortened to it (after clip_value); none: no limit"
    )
    return attr(default=None, doc=doc, exclusiveMinimum=0)


def _share(optimizer: Any, param: Param) -> float:
    """The weight decay of a parameter."""
    decays = optimizer.decay_on == "all" or len(param.shape) > 1
    return float(optimizer.weight_decay) if decays else 0.0


@declare("optimizer", "sgd", main="momentum", doc="Stochastic gradient descent, with momentum: v ← μv + g; w ← w − ηv.")
class Sgd:
    momentum: float = attr(default=0.0, doc="share of the old velocity that is kept", minimum=0, exclusiveMaximum=1)
    nesterov: bool = attr(default=False, doc="look ahead along the velocity (Sutskever et al. 2013)")
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-4, 1.0)
    default_rate = 0.01

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of the state kept per parameter."""
        return ("velocity",) if self.momentum else ()

    def update(self, param: Param) -> UpdateSgd:
        """The op that makes one step with this parameter."""
        return UpdateSgd(momentum=self.momentum, nesterov=self.nesterov, weight_decay=_share(self, param))


@op("update.sgd", public=False, doc="(weight, gradient, rate, step[, velocity]) to (weight[, velocity]).")
class UpdateSgd:
    momentum: float = attr(doc="share of the old velocity that is kept")
    nesterov: bool = attr(doc="look ahead along the velocity")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    infer = _updated_types

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        weight, slope, rate, _, *velocities = variables(inputs)
        gradient = _decayed(slope, weight, self.weight_decay)
        if not self.momentum:
            return (weight - rate * gradient,)
        velocity = self.momentum * velocities[0] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return weight - rate * direction, velocity


@declare("optimizer", "adam", main="beta1", doc="Adam: steps scaled by running means of the gradient and its square.")
class Adam:
    beta1: float = attr(default=0.9, doc="share of the old mean of the gradient", minimum=0, exclusiveMaximum=1)
    beta2: float = attr(default=0.999, doc="share of the old mean of its square", minimum=0, exclusiveMaximum=1)
    eps: float = attr(default=1e-8, doc="added to the root of the square", exclusiveMinimum=0)
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-6, 0.02)
    default_rate = 0.001
    moments = ("mean", "square")

    def update(self, param: Param) -> UpdateAdam:
        """The op that makes one step with this parameter."""
        return UpdateAdam(beta1=self.beta1, beta2=self.beta2, eps=self.eps, weight_decay=_share(self, param))


@declare("optimizer", "adamw", main="beta1", doc="Adam with decay of the weights themselves, apart from the gradient.")
class AdamW:
    beta1: float = attr(default=0.9, doc="share of the old mean of the gradient", minimum=0, exclusiveMaximum=1)
    beta2: float = attr(default=0.999, doc="share of the old mean of its square", minimum=0, exclusiveMaximum=1)
    eps: float = attr(default=1e-8, doc="added to the root of the square", exclusiveMinimum=0)
    weight_decay: float = attr(default=0.01, doc="share of the weight that a step of rate 1 takes off", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-6, 0.02)
    default_rate = 0.001
    moments = ("mean", "square")

    def update(self, param: Param) -> UpdateAdam:
        """The op that makes one step with this parameter."""
        return UpdateAdam(
            beta1=self.beta1, beta2=self.beta2, eps=self.eps, weight_decay=_share(self, param), decoupled=True
        )


@op("update.adam", public=False, doc="(weight, gradient, rate, step, mean, square) to (weight, mean, square).")
class UpdateAdam:
    beta1: float = attr(doc="share of the old mean of the gradient")
    beta2: float = attr(doc="share of the old mean of its square")
    eps: float = attr(doc="added to the root of the square")
    weight_decay: float = attr(doc="share of the weight added to the gradient, or taken off the weight")
    decoupled: bool = attr(default=False, doc="whether the decay goes to the weight and not to the gradient")

    infer = _updated_types

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        """Algorithm 1 of Kingma and Ba, algorithm 2 of Loshchilov and Hutter; ``step`` counts from 1."""
        weight, slope, rate, step, old_mean, old_square = variables(inputs)
        gradient = slope if self.decoupled else _decayed(slope, weight, self.weight_decay)
        mean = self.beta1 * old_mean + (1 - self.beta1) * gradient
        square = self.beta2 * old_square + (1 - self.beta2) * gradient * gradient
        unbiased_mean = mean / (1 - _power(self.beta1, step))
        unbiased_square = square / (1 - _power(self.beta2, step))
        kept = weight - rate * self.weight_decay * weight if self.decoupled else weight
        return kept - rate * unbiased_mean / (sqrt(unbiased_square) + self.eps), mean, square


@declare("optimizer", "adagrad", doc="AdaGrad: s ← s + g²; w ← w − ηg/(√s + ε).")
class Adagrad:
    eps: float = attr(default=1e-8, doc="added to the root of the sum", exclusiveMinimum=0)
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-4, 1.0)
    default_rate = 0.01
    moments = ("sum",)

    def update(self, param: Param) -> UpdateAdagrad:
        """The op that makes one step with this parameter."""
        return UpdateAdagrad(eps=self.eps, weight_decay=_share(self, param))


@op("update.adagrad", public=False, doc="(weight, gradient, rate, step, sum) to (weight, sum).")
class UpdateAdagrad:
    eps: float = attr(doc="added to the root of the sum")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    infer = _updated_types

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        weight, slope, rate, _, old_sum = variables(inputs)
        gradient = _decayed(slope, weight, self.weight_decay)
        squares = old_sum + gradient * gradient
        return weight - rate * gradient / (sqrt(squares) + self.eps), squares


@declare("optimizer", "rmsprop", main="rho", doc="RMSProp: s ← ρs + (1 − ρ)g²; v ← μv + g/(√s + ε); w ← w − ηv.")
class Rmsprop:
    rho: float = attr(default=0.9, doc="share of the old mean of the gradient's square", minimum=0, exclusiveMaximum=1)
    eps: float = attr(default=1e-8, doc="added to the root of the square", exclusiveMinimum=0)
    momentum: float = attr(default=0.0, doc="share of the old velocity that is kept", minimum=0, exclusiveMaximum=1)
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-6, 0.1)
    default_rate = 0.001

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of the state kept per parameter."""
        return ("square", "velocity") if self.momentum else ("square",)

    def update(self, param: Param) -> UpdateRmsprop:
        """The op that makes one step with this parameter."""
        return UpdateRmsprop(rho=self.rho, eps=self.eps, momentum=self.momentum, weight_decay=_share(self, param))


@op("update.rmsprop", public=False, doc="(weight, gradient, rate, step, square[, velocity]) to (weight, moments).")
class UpdateRmsprop:
    rho: float = attr(doc="share of the old mean of the gradient's square")
    eps: float = attr(doc="added to the root of the square")
    momentum: float = attr(doc="share of the old velocity that is kept")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    infer = _updated_types

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        weight, slope, rate, _, old_square, *velocities = variables(inputs)
        gradient = _decayed(slope, weight, self.weight_decay)
        square = self.rho * old_square + (1 - self.rho) * gradient * gradient
        direction = gradient / (sqrt(square) + self.eps)
        if not self.momentum:
            return weight - rate * direction, square
        velocity = self.momentum * velocities[0] + direction
        return weight - rate * velocity, square, velocity


@declare(
    "optimizer",
    "adadelta",
    main="rho",
    doc="AdaDelta: steps in the ratio of the running sizes of past steps and of gradients; its rate is usually 1.",
)
class Adadelta:
    rho: float = attr(default=0.95, doc="share of the old running means", minimum=0, exclusiveMaximum=1)
    eps: float = attr(default=1e-6, doc="added to both means below the root", exclusiveMinimum=0)
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)
    decay_on: str = _decay_on()
    clip_value: float = _clip_value()
    clip_norm: float = _clip_norm()

    usual_rates = (1e-3, 10.0)
    default_rate = 1.0
    moments = ("square", "step_square")

    def update(self, param: Param) -> UpdateAdadelta:
        """The op that makes one step with this parameter."""
        return UpdateAdadelta(rho=self.rho, eps=self.eps, weight_decay=_share(self, param))


@op("update.adadelta", public=False, doc="(weight, gradient, rate, step, square, step_square) to (weight, moments).")
class UpdateAdadelta:
    rho: float = attr(doc="share of the old running means")
    eps: float = attr(doc="added to both means below the root")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    infer = _updated_types

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        """Algorithm 1 of the paper; the rate is 1 there."""
        weight, slope, rate, _, old_square, old_step_square = variables(inputs)
        gradient = _decayed(slope, weight, self.weight_decay)
        square = self.rho * old_square + (1 - self.rho) * gradient * gradient
        step = sqrt(old_step_square + self.eps) / sqrt(square + self.eps) * gradient
        return weight - rate * step, square, self.rho * old_step_square + (1 - self.rho) * step * step


def _decayed(gradient: Expression, weight: Expression, share: float) -> Expression:
    """The gradient with weight decay in it: that of a loss with ``share/2`` times the squared weight added."""
    return gradient + share * weight if share else gradient


def _power(base: float, exponent: Expression) -> Expression:
    """``base ** exponent`` for a base in [0, 1)."""
    return exp(exponent * math.log(base)) if base else exponent * 0.0
