"""Optimisers: each states its moments and its update, as scalar expressions over one number of a parameter.

Sources: Polyak 1964 and Sutskever et al. 2013 (momentum, Nesterov); Kingma and Ba 2015 (Adam).
"""

from __future__ import annotations

import math

from netspec.core.attributes import attr
from netspec.core.declare import declare
from netspec.core.expression import Expression, exp, sqrt
from netspec.core.expression import inputs as variables
from netspec.core.op import op
from netspec.core.types import TensorType


@declare("optimizer", "sgd", main="momentum", doc="Stochastic gradient descent, with momentum: v ← μv + g; w ← w − ηv.")
class Sgd:
    momentum: float = attr(default=0.0, doc="share of the old velocity that is kept", minimum=0, exclusiveMaximum=1)
    nesterov: bool = attr(default=False, doc="look ahead along the velocity (Sutskever et al. 2013)")
    weight_decay: float = attr(default=0.0, doc="added to the gradient as this share of the weight", minimum=0)

    usual_rates = (1e-4, 1.0)
    default_rate = 0.01

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of the state kept per parameter."""
        return ("velocity",) if self.momentum else ()

    def update(self) -> UpdateSgd:
        """The op that makes one step."""
        return UpdateSgd(momentum=self.momentum, nesterov=self.nesterov, weight_decay=self.weight_decay)


@op("update.sgd", public=False, doc="(weight, gradient, rate, step[, velocity]) to (weight[, velocity]).")
class UpdateSgd:
    momentum: float = attr(doc="share of the old velocity that is kept")
    nesterov: bool = attr(doc="look ahead along the velocity")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    def infer(
        self, weight: TensorType, gradient: TensorType, rate: TensorType, step: TensorType, *moments: TensorType
    ) -> tuple[TensorType, ...]:
        return (weight, *moments)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        weight, slope, rate, _, *velocities = variables(inputs)
        gradient = slope + self.weight_decay * weight if self.weight_decay else slope
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

    usual_rates = (1e-6, 0.02)
    default_rate = 0.001
    moments = ("mean", "square")

    def update(self) -> UpdateAdam:
        """The op that makes one step."""
        return UpdateAdam(beta1=self.beta1, beta2=self.beta2, eps=self.eps, weight_decay=self.weight_decay)


@op("update.adam", public=False, doc="(weight, gradient, rate, step, mean, square) to (weight, mean, square).")
class UpdateAdam:
    beta1: float = attr(doc="share of the old mean of the gradient")
    beta2: float = attr(doc="share of the old mean of its square")
    eps: float = attr(doc="added to the root of the square")
    weight_decay: float = attr(doc="share of the weight added to the gradient")

    def infer(
        self, weight: TensorType, gradient: TensorType, rate: TensorType, step: TensorType, *moments: TensorType
    ) -> tuple[TensorType, ...]:
        return (weight, *moments)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        """Algorithm 1 of the paper; ``step`` counts from 1."""
        weight, slope, rate, step, old_mean, old_square = variables(inputs)
        gradient = slope + self.weight_decay * weight if self.weight_decay else slope
        mean = self.beta1 * old_mean + (1 - self.beta1) * gradient
        square = self.beta2 * old_square + (1 - self.beta2) * gradient * gradient
        unbiased_mean = mean / (1 - _power(self.beta1, step))
        unbiased_square = square / (1 - _power(self.beta2, step))
        return weight - rate * unbiased_mean / (sqrt(unbiased_square) + self.eps), mean, square


def _power(base: float, exponent: Expression) -> Expression:
    """``base ** exponent`` for a base in [0, 1)."""
    return exp(exponent * math.log(base)) if base else exponent * 0.0
