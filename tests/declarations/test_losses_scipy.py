"""Every loss of the registry against SciPy, on ordinary numbers and on ones whose exponentials overflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.types import TensorType
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]


def cross_entropy(x: Array, label: Array) -> Array:
    return -np.take_along_axis(special.log_softmax(x, axis=-1), label[..., None], axis=-1)


LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": lambda x, t: -t * special.log_expit(x) - (1 - t) * special.log_expit(-x),
    "mean_squared_error": lambda x, t: (x - t) ** 2,
    "mean_absolute_error": lambda x, t: np.abs(x - t),
    "huber": lambda x, t: special.huber(1.0, x - t),
}
"""What each loses, number by number or position by position; the loss is the mean of it."""


@pytest.mark.parametrize("name", [declaration.name for declaration in REGISTRIES["loss"].public()])
@pytest.mark.parametrize("shape", [(1,), (5,), (6, 5), (4, 3, 17)], ids=str)
@pytest.mark.parametrize("magnitude", [1.0, 1e4])
def test_loss(name: str, shape: tuple[int, ...], magnitude: float) -> None:
    random = np.random.default_rng(9)
    loss = REGISTRIES["loss"][name].make()
    g = Builder("loss")
    head = g.input("x", TensorType(shape))
    target = g.input("target", loss.target(head.type))
    graph = g.graph({"loss": loss.apply(g, head, target)})
    x = random.normal(size=(3, *shape)) * magnitude
    wanted = (3, *target.type.shape)
    given = random.integers(0, shape[-1], wanted) if target.type.dtype == "int32" else random.random(wanted)
    found = float(interpret(graph, {"x": x, "target": given}, 3).outputs["loss"])
    # Two orders of summing a few hundred float64 numbers.
    assert found == pytest.approx(LOSSES[name](x, given).mean(), rel=1e-12, abs=1e-12 * magnitude)
