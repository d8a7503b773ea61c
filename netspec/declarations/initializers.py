"""Initialisers: how a parameter starts. ``draw`` is given a NumPy generator keyed by the seed and the parameter's name.

Sources: LeCun et al. 1998; Glorot and Bengio 2010; Saxe et al. 2014 (orthogonal); He et al. 2015. ``fan_in`` and
``fan_out`` count window cells times channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.core import formulas
from netspec.core.attributes import NumberTree, attr
from netspec.core.declare import declare
from netspec.core.graph import Param
from netspec.core.op import ShapeError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def _distribution(default: str) -> Any:
    return attr(default=default, doc="the shape of the spread; its variance is the same", enum=("normal", "uniform"))


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


@declare("initializer", "constant", main="value", doc="The same number everywhere.")
class Constant:
    value: float = attr(default=0.0, doc="the number")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.uniform(self.value, self.value, param.shape)


@declare("initializer", "signs", doc="-1 and 1, each as likely.")
class Signs:
    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return 2.0 * generator.integers(0, 2, param.shape) - 1.0


@declare("initializer", "uniform", main="bound", doc="Uniform numbers in a fixed range, mean ± bound.")
class Uniform:
    bound: float = attr(default=0.05, doc="farthest from the mean", exclusiveMinimum=0)
    mean: float = attr(default=0.0, doc="mean")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.uniform(self.mean - self.bound, self.mean + self.bound, param.shape)


@declare("initializer", "gaussian", main="std", doc="Normal numbers of a fixed spread, the documents' choice.")
class Gaussian:
    std: float = attr(default=0.01, doc="standard deviation", exclusiveMinimum=0)
    mean: float = attr(default=0.0, doc="mean")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return generator.standard_normal(param.shape) * self.std + self.mean


@declare(
    "initializer",
    "lecun",
    main="distribution",
    doc="Numbers with variance 1/fan_in, normal unless said, for layers before a tanh.",
)
class LeCun:
    distribution: str = _distribution("normal")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return _spread(generator, param, self.distribution, 1 / param.fan_in)


@declare(
    "initializer",
    "he",
    main="distribution",
    doc="Numbers with variance 2/fan_in, normal unless said, for layers before a rectifier.",
)
class He:
    distribution: str = _distribution("normal")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return _spread(generator, param, self.distribution, 2 / param.fan_in)


@declare(
    "initializer",
    "glorot",
    main="distribution",
    doc="Numbers with variance 2/(fan_in + fan_out), uniform unless said; also known as Xavier.",
)
class Glorot:
    distribution: str = _distribution("uniform")

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape."""
        return _spread(generator, param, self.distribution, 2 / (param.fan_in + param.fan_out))


@declare(
    "initializer", "orthogonal", main="gain", doc="A random matrix whose rows or columns, the fewer, are orthonormal."
)
class Orthogonal:
    gain: float = attr(default=1.0, doc="what the matrix is multiplied by", exclusiveMinimum=0)

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape; as a matrix, its last axis are the columns."""
        import numpy as np

        columns = param.shape[-1] if param.shape else 1
        rows = math.prod(param.shape[:-1])
        tall = generator.standard_normal((max(rows, columns), min(rows, columns)))
        basis, triangle = np.linalg.qr(tall)
        # Of the two signs of each column the one that makes all such matrices equally likely (Mezzadri 2007).
        basis = basis * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
        return self.gain * (basis if rows >= columns else basis.T).reshape(param.shape)


@declare(
    "initializer",
    "values",
    main="values",
    doc="Numbers that are written down, such as those of a known filter.",
    example="{values: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]}",
)
class Values:
    values: NumberTree = attr(
        doc="the numbers, in one list (last axis fastest) or nested like the parameter, maybe without axes of length 1"
    )

    def check(self, param: Param) -> None:
        """Refuse a parameter of another shape, as NS229."""
        found, wanted = _shape(self.values), param.shape
        if found not in ((math.prod(wanted),), tuple(n for n in wanted if n != 1) or (1,)):
            given = "lists of different lengths" if found is None else formulas.times(found)
            raise ShapeError(
                "NS229", attr="values", found=given, expected=formulas.times(wanted), count=math.prod(wanted)
            )

    def draw(self, generator: np.random.Generator, param: Param) -> Array:
        """float64 numbers of the parameter's shape; ``ShapeError`` where they are not as many."""
        import numpy as np

        self.check(param)
        return np.array(self.values, np.float64).reshape(param.shape)


def _shape(tree: NumberTree | float) -> tuple[int, ...] | None:
    """Lengths of nested lists without those of 1, (1,) if that leaves none; ``None`` where lists differ in length."""
    full = _full_shape(tree)
    return None if full is None else tuple(n for n in full if n != 1) or (1,)


def _full_shape(tree: NumberTree | float) -> tuple[int, ...] | None:
    if not isinstance(tree, tuple):
        return ()
    inner = {_full_shape(branch) for branch in tree}
    (first, *others) = inner
    return None if others or first is None else (len(tree), *first)


def _spread(generator: np.random.Generator, param: Param, distribution: str, variance: float) -> Array:
    """Numbers of mean 0 and this variance; a uniform distribution reaches to the root of three times that."""
    if distribution == "normal":
        return generator.standard_normal(param.shape) * math.sqrt(variance)
    bound = math.sqrt(3 * variance)
    return generator.uniform(-bound, bound, param.shape)
