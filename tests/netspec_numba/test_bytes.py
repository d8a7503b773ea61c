"""Kernels for bytes: equal to the definition to the bit, with the instruction for dot products and without."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netspec.backend import find_backend
from netspec.passes.quantization import Range, parameters
from netspec.testing import byte_trials, check_trial
from netspec_numba.host import choose_dot_product

ONE_TRIAL = """
from netspec.backend import find_backend
from netspec.testing import byte_trials, check_trial
from netspec_numba.host import DOT_PRODUCT, LANES
chosen = ("bytes on 7x6x5", "groups of bytes on 9x8x1", "slides of bytes")
trials = [trial for trial in byte_trials() if trial.name.endswith(chosen)]
print(len(trials), LANES, DOT_PRODUCT, sum((check_trial(find_backend("numba"), trial) for trial in trials), []))
"""


@pytest.mark.parametrize("trial", byte_trials(), ids=str)
def test_networks_of_bytes(trial: object) -> None:
    assert check_trial(find_backend("numba"), trial) == []  # type: ignore[arg-type]  # byte_trials gives trials


def test_one_sample_alone_has_its_own_loop_in_dense_layers() -> None:
    trial = next(trial for trial in byte_trials(batch=1) if trial.name == "inference of network of bytes on 9x3")
    assert check_trial(find_backend("numba"), trial) == []


@pytest.mark.parametrize(
    "lanes", [pytest.param(4, marks=pytest.mark.long), pytest.param(8, marks=pytest.mark.slow), 16]
)
def test_without_dot_products_the_bits_are_the_same(lanes: int) -> None:
    environment = os.environ | {"NETSPEC_LANES": str(lanes), "NETSPEC_VNNI": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ONE_TRIAL], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"3 {lanes} multiply []", done.stderr


def test_the_instruction_is_chosen_where_the_vectors_have_it() -> None:
    wide = {"avx512vnni": True}
    assert choose_dot_product(wide, 16, None) == "vnni"
    assert choose_dot_product(wide, 8, None) == "multiply"
    assert choose_dot_product(wide | {"avx512vl": True}, 8, None) == "vnni"
    assert choose_dot_product(wide, 16, "0") == "multiply"
    assert choose_dot_product({}, 16, "1") == "multiply"
    with pytest.raises(ValueError, match="may be 0 or 1"):
        choose_dot_product(wide, 16, "yes")


def test_zero_is_a_byte_of_every_range() -> None:
    for limits in (Range(0.1, 3.0), Range(-2.0, -1.0), Range(-0.3, 0.7), Range(0.0, 0.0)):
        held = parameters(limits)
        assert 0 <= held.zero <= 255
        assert held.scale * (255 - held.zero) >= limits.high - held.scale
        assert held.scale * -held.zero <= limits.low + held.scale
