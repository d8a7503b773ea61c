"""Elementwise kernels that work on four neighbours at a time give the bits of those that do not."""

from __future__ import annotations

import pytest
from recording_device import Way, kernels_of
from waiting_kernels import results

from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.declarations.ops.normalization import BatchNorm
from netspec.target import Precision
from netspec.testing import Trial, training_trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.kernels import elementwise


def batch_norm(*shape: int) -> Trial:
    """It reads tensors, what there is once per channel, and scalars."""
    return training_trial(Case(BatchNorm(), (TensorType(shape),)))


def generated(trial: Trial, precision: Precision) -> list[str]:
    return [text for text in kernels_of([trial], Way(precision)).values() if text is not None]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_four_at_a_time_have_the_same_bits(
    precision: Precision, host_backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = batch_norm(5, 3, 12)
    four = results(host_backend, trial, Way(precision))
    monkeypatch.setattr(elementwise, "_by_four", lambda *_: False)
    assert not any("load_four" in text for text in generated(trial, precision))
    single = results(host_backend, trial, Way(precision))
    assert {name: array.tobytes() for name, array in four.items()} == {
        name: array.tobytes() for name, array in single.items()
    }


def test_they_are_chosen_where_sizes_are_multiples_of_four() -> None:
    def tensors(trial: Trial) -> list[bool]:
        return ["load_four" in text for text in generated(trial, "float32") if "% channels" in text]

    assert tensors(batch_norm(5, 3, 12)) == [True, True]
    assert tensors(batch_norm(4, 4, 3)) == [False, False]
