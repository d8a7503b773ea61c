"""The vocabulary of a reference module: what the definition of an op is told, and the evidence it brings along.

A module ``<module>_reference`` beside a module of declarations holds, per op, the float64 definition
``f(attrs, inputs, context) -> tuple of arrays`` named as the op (dots become underscores), and may hold two tables by
the op's name: ``CASES``, uses of the op that conformance tests try besides those found by reflection, and ``BOUNDS``,
how far a float32 kernel may be from the definition. An op without a bound only moves numbers and is exact.
``ALGORITHM_BOUNDS`` has, by op and by the name of the algorithm, the bounds of kernels that do not compute the
definition as it stands, and that ``math: exact`` refuses.

Arrays are logical: ``(samples, *shape)`` channels-last where the type is batched, ``shape`` where it is not; float64,
or int64 for the integer types. Padding lanes do not exist here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core.graph import Node
from netspec.core.types import TensorType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Context:
    """What a definition knows besides the numbers: its node (for the types) and how many samples are live."""

    node: Node
    samples: int

    @property
    def x(self) -> TensorType:
        """Type of the first input."""
        return self.node.inputs[0].type

    @property
    def y(self) -> TensorType:
        """Type of the first output."""
        return self.node.outputs[0].type


@dataclass(frozen=True, slots=True)
class Case:
    """One use of an op to be tried: its attributes and the types of its data inputs (all inputs, if it is internal).

    Floating-point inputs hold distinct numbers, none of them zero, between -2 and 2 times ``magnitude``, around
    ``offset``; no two inputs have one in common. With ``ties`` they hold only -1, 0 and 1, so that equal numbers meet
    (such a case has no derivative). Integer inputs hold numbers from 0 to below ``integers``. A ``frozen`` op keeps its
    parameters while training. The data inputs at the places ``constants`` (a loss's targets) have no gradient.
    """

    attrs: Any
    types: tuple[TensorType, ...]
    magnitude: float = 1.0
    offset: float = 0.0
    ties: bool = False
    integers: int = 256
    frozen: bool = False
    constants: tuple[int, ...] = ()

    def __str__(self) -> str:
        words = [repr(self.attrs), *map(str, self.types)]
        words += [f"times {self.magnitude:g}"] if self.magnitude != 1 else []
        words += [f"around {self.offset:g}"] if self.offset else []
        words += ["frozen"] if self.frozen else []
        return " ".join([*words, "with ties"] if self.ties else words)


def _one(context: Context) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a float32 kernel may be from the definition: ``|error| <= c·eps·√K·scale``, number by number.

    ``terms`` tells K, how many products or summands go into one number. ``scale`` tells, per output, the sum of their
    magnitudes; without it that is the definition applied to the magnitudes of the inputs, which is right where the op
    is a sum of products. The root of K and not K, because rounding errors of many terms cancel at random (Higham 2002,
    2.8); ``eps`` is 2**-23, the distance from 1 to the next float32.
    """

    c: float
    terms: Callable[[Context], int] = _one
    scale: Callable[[Sequence[Array], Context], tuple[Array, ...]] | None = None


UNIT_ROUNDOFF = {"tf32": 2.0**-11, "bfloat16": 2.0**-8}
"""By precision, the largest share that rounding to nearest takes of a number: 11 and 8 significant bits."""


def rounded_bounds(bounds: Mapping[str, Bound]) -> dict[str, dict[str, Bound]]:
    """Of ops that are sums of products, by op and precision, the bounds of kernels that round every factor.

    A product of two factors that are each off by a share u is off by at most 2u + u², and so is a sum of such products,
    relative to the sum of their magnitudes: no root, since all of them may be off to one side. The sixteenth more
    covers u² and the float32 sums, 2**-24 each.
    """
    eps = 2.0**-23

    def rounded(bound: Bound, share: float) -> Bound:
        return Bound(2 * share * (1 + 1 / 16) / eps, scale=bound.scale)

    return {op: {name: rounded(bound, share) for name, share in UNIT_ROUNDOFF.items()} for op, bound in bounds.items()}
