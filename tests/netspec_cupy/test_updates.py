"""Steps without a batch are one launch for all tensors, unless one of them touches what another one writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.types import TensorType
from netspec.declarations.ops.merge import Times
from netspec_cupy.backend import CupyBackend
from netspec_cupy.contract import Operand
from netspec_cupy.executable import _independent
from netspec_cupy.host_device import HostDevice


def test_all_parameters_are_updated_by_one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    device = HostDevice()
    launched: list[str] = []
    launch = HostDevice.launch

    def recorded(self: HostDevice, function: Any, *rest: Any) -> None:
        launched.append(next(name for name, known in self._functions.items() if known is function))
        launch(self, function, *rest)

    monkeypatch.setattr(HostDevice, "launch", recorded)
    model = netspec.load("zoo:lenet5").compile(batch=2, backend=CupyBackend(device))
    model.step(np.zeros((2, 28, 28, 1), np.uint8), np.zeros(2, np.int32))
    assert len(model.weights) == 10
    assert sum(name.endswith("_together") for name in launched) == 1


class Work:
    """Reads 16 bytes from one address and writes as many to another."""

    def __init__(self, read: int, written: int) -> None:
        kind = TensorType((4,), batched=False)
        self.attrs = Times(factor=2.0)
        self.inputs, self.outputs = (Operand(kind, read),), (Operand(kind, written),)


@pytest.mark.parametrize(
    ("works", "sizes"),
    [
        ([Work(0, 0), Work(16, 16), Work(32, 32)], [3]),
        ([Work(0, 100), Work(100, 200)], [1, 1]),  # reads what was written
        ([Work(0, 100), Work(200, 0)], [1, 1]),  # writes over what was read
        ([Work(0, 100), Work(200, 108)], [1, 1]),  # writes over half of what was written
        ([Work(0, 100), Work(0, 200), Work(200, 300)], [2, 1]),  # two may read the same
    ],
)
def test_what_touches_the_same_memory_is_kept_apart(works: list[Any], sizes: list[int]) -> None:
    assert [len(group) for group in _independent(works)] == sizes
