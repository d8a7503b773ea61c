from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Node
from netspec.core.reference import Context
from netspec.core.types import TensorType
from netspec.declarations.ops.dropout import Dropout, DropoutMask
from netspec.declarations.ops.dropout_reference import dropout_mask, philox4x32
from netspec.passes.forms import inference_form, training_form
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]


def words(*numbers: int) -> tuple[Array, ...]:
    return tuple(np.array(number, np.uint64) for number in numbers)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_generator_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """The known-answer vectors that the authors' library ships."""
    assert tuple(int(word) for word in philox4x32(words(*counter), words(*key))) == expected


def mask(rate: float, drop: str = "element", seed: int = 1, step: int = 1, key: int = 123, samples: int = 4) -> Array:
    g = Builder("net")
    x = g.input("x", TensorType((10, 10, 20)))
    node: Node = g.node(
        DropoutMask(rate=rate, drop=drop, key=key), x, g.scalar("seed", "int32"), g.scalar("step", "int32")
    )
    ones = np.ones((samples, 10, 10, 20))
    return dropout_mask(node.attrs, (ones, np.array(seed), np.array(step)), Context(node, samples))[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_and_the_scale(rate: float) -> None:
    dropped = mask(rate)
    share = (dropped == 0).mean()
    assert share == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / dropped.size))  # five standard errors
    assert set(np.unique(dropped)) == {0.0, 1 / (1 - rate)}


def test_whole_channels_drop_together() -> None:
    dropped = mask(0.5, "channel")
    assert (dropped == dropped[:, :1, :1]).all()
    assert 0 < (dropped[:, 0, 0] == 0).mean() < 1


def test_whole_samples_drop_together() -> None:
    dropped = mask(0.5, "sample", samples=64)
    assert (dropped == dropped[:, :1, :1, :1]).all()
    share = (dropped[:, 0, 0, 0] == 0).mean()
    assert share == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / 64))  # five standard errors
    assert set(np.unique(dropped)) == {0.0, 2.0}


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 2}, {"key": 124}])
def test_seed_step_and_layer_each_change_the_mask(other: dict[str, int]) -> None:
    agree = (mask(0.5) == mask(0.5, **other)).mean()
    assert agree == pytest.approx(0.5, abs=0.03)  # independent halves of 8000 numbers


def test_a_smaller_batch_drops_the_same() -> None:
    np.testing.assert_array_equal(mask(0.5, samples=4)[:2], mask(0.5, samples=2))


def test_forms() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((6,)))
    g.path = "drop"
    y = g.layer(Dropout(rate=0.5), x).output
    network = g.graph({"main": y})
    assert inference_form(network).outputs["main"] is inference_form(network).inputs[0]
    training = training_form(network)
    assert [node.op.name for node in training] == ["dropout.mask"]
    assert [v.name for v in training.scalars] == ["seed", "step"]
    given = {"x": np.ones((2, 6))}
    dropped = interpret(training, given, 2, scalars={"seed": 3, "step": 1}).outputs["main"]
    assert set(np.unique(dropped)) == {0.0, 2.0}


def test_two_layers_drop_differently() -> None:
    keys = []
    for path in ("a", "b"):
        g = Builder("net")
        x = g.input("x", TensorType((6,)))
        g.path = path
        network = g.graph({"main": g.layer(Dropout(rate=0.5), x).output})
        keys.append(training_form(network).nodes[0].attrs.key)
    assert keys[0] != keys[1]
    assert all(0 <= key < 2**63 for key in keys)
