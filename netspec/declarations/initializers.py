"""Initialisers: how a parameter starts. ``draw`` is given a NumPy generator keyed by the seed and the parameter's name.

Sources: Glorot and Bengio 2010; He et al. 2015; LeCun et al. 1998. ``fan_in`` and ``fan_out`` count window cells
times channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.core.attributes import attr
from netspec.core.declare import declare
from netspec.core.graph import Param

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@declare("initializer", "zeros", doc="All zeros.")
class Zeros:
    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.uniform(0.0, 0.0, param.shape)


@declare("initializer", "ones", doc="All ones.")
class Ones:
    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.uniform(1.0, 1.0, param.shape)


@declare("initializer", "gaussian", main="std", doc="Normal numbers of a fixed spread, the documents' choice.")
class Gaussian:
    std: float = attr(default=0.01, doc="standard deviation", exclusiveMinimum=0)
    mean: float = attr(default=0.0, doc="mean")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.standard_normal(param.shape) * self.std + self.mean


@declare("initializer", "he", doc="Normal numbers with variance 2/fan_in, for layers before a rectifier.")
class He:
    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.standard_normal(param.shape) * math.sqrt(2 / param.fan_in)


@declare("initializer", "glorot", doc="Uniform numbers in ±√(6/(fan_in + fan_out)), also known as Xavier.")
class Glorot:
    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        bound = math.sqrt(6 / (param.fan_in + param.fan_out))
        return generator.uniform(-bound, bound, param.shape)
