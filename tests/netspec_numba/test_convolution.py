"""Convolution kernels against the definition, under an error bound that is derived in ``convolution_cases``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import convolution_cases
import pytest
from convolution_cases import Case, aligned, case, check, check_threads, workspaces

from netspec.core.types import TensorType
from netspec_numba.contract import KERNELS, Operand, Request
from netspec_numba.host import LANES

AXES = [
    case("line", (19,), 5, 7, (3,), pad=1),
    case("line of even window", (20,), 16, 16, (4,), stride=3, padding=((1, 2),)),
    case("image", (9, 8), 16, 32, (3, 3), pad=1),
    case("image without padding", (9, 8), 17, 33, (3, 2)),
    case("volume", (5, 4, 6), 6, 17, (3, 2, 3), pad=1),
    case("strided volume", (5, 6, 7), 4, 5, (2, 3, 3), stride=(1, 2, 3), padding=((0, 1), (1, 1), (2, 0))),
]
STRIDES = [
    case("stride 2", (11, 10), 6, 16, (3, 3), stride=2, pad=1),
    case("stride 3", (11, 10), 16, 6, (3, 3), stride=3, padding=((0, 2), (2, 1))),
    case("stride past window", (10, 9), 5, 5, (2, 1), stride=(3, 2)),
    case("mixed stride", (10, 12), 17, 16, (3, 5), stride=(1, 3), padding=((2, 0), (1, 3))),
    case("dilated", (12, 11), 6, 9, (3, 3), dilation=(2, 3), pad=(2, 3)),
    case("strided and dilated", (13, 12), 5, 6, (3, 2), stride=(2, 3), dilation=(3, 2), pad=2),
    case("one by one", (7, 6), 33, 17, (1, 1)),
    case("one by one, stride 2", (7, 6), 33, 17, (1, 1), stride=2),
    case("window equal to input", (5, 6), 16, 12, (5, 6)),
    case("window larger than input", (3, 2), 6, 6, (5, 4), pad=2),
]
CHANNELS = [
    case(f"{channels} channels", (6, 9), channels, outputs, (3, 3), pad=(1, 2), stride=stride)
    for channels, outputs, stride in (
        (1, 6, 1),
        (3, 16, 2),
        (4, 33, 1),
        (6, 1, 1),
        (16, 3, 1),
        (17, 17, 2),
        (33, 48, 1),
    )
]
FEW_CHANNELS = [
    case("LeNet-5, first", (28, 28), 1, 6, (5, 5), pad=2),
    case("stem in place", (12, 11), 3, 20, (4, 4), stride=2),
    case("stem, dilated", (12, 11), 3, 20, (3, 3), dilation=2, pad=2),
    case("stem, padded after", (12, 11), 3, 8, (3, 3), stride=2, padding=((0, 1), (0, 1))),
    case("plain on both sides", (6, 5), 21, 19, (3, 3), pad=1, plain=True),
]
GROUPS = [
    case("two groups", (6, 7), 6, 10, (3, 3), pad=1, groups=2),
    case("three odd groups", (6, 7), 15, 21, (3, 2), pad=1, groups=3),
    case("groups across blocks", (5, 4), 51, 33, (2, 2), groups=3),
    case("depthwise", (7, 6), 17, 17, (3, 3), stride=2, pad=1, groups=17),
    case("depthwise, two a channel", (7, 6), 20, 40, (3, 3), pad=1, groups=20),
    case("groups of a plain input", (7, 6), 4, 6, (3, 3), pad=1, groups=2),
]
SAMPLES = [
    case("no bias", (6, 6), 6, 6, (3, 3), bias=False),
    case("many small maps", (3, 2), 16, 17, (3, 3), pad=1, batch=20, n=17),
    case("one position each", (4, 4), 6, 20, (4, 4), batch=33, n=31),
    case("full batch", (5, 5), 6, 16, (3, 3), batch=5, n=5),
    case("one of many", (5, 5), 6, 16, (3, 3), batch=40, n=1),
    case("many positions", (24, 23), 6, 5, (3, 3), pad=1, batch=2, n=2),
]


@pytest.mark.parametrize("trial", AXES + STRIDES + CHANNELS + FEW_CHANNELS + GROUPS + SAMPLES, ids=str)
def test_three_directions_agree_with_the_definition(trial: Case) -> None:
    check(trial)


@pytest.mark.parametrize(
    "trial", [FEW_CHANNELS[0], SAMPLES[1], case("large", (14, 14), 33, 40, (3, 3), pad=1, batch=8, n=7)], ids=str
)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial)


def test_dead_samples_are_not_written() -> None:
    trial = case("dead", (5, 5), 6, 7, (3, 3), pad=1, batch=6, n=4)
    x_type, y_type = (TensorType((5, 5, channels), block=LANES) for channels in (6, 7))
    weight_type = TensorType((3, 3, 6, 7), batched=False)
    x, weight, y = (
        Operand(kind, aligned(kind.stored * (6 if kind.batched else 1))) for kind in (x_type, weight_type, y_type)
    )
    x.array[:], weight.array[:], y.array[:] = 1, 1, -5
    entry = KERNELS["conv"]
    scratch = workspaces(entry, trial.window, (x_type, weight_type), (y_type,), 6)
    launch = entry.build(Request(trial.window, (x, weight), (y,), 6, 2, scratch))
    launch(4)
    samples = y.array.reshape(6, y_type.positions, LANES)
    assert (samples[4:] == -5).all()
    assert (samples[:4, :, :7] >= 24).all()
    assert (samples[:4, :, 7:] == 0).all(), "padding lanes of a written block are zero"


def test_a_foreign_block_is_refused() -> None:
    trial = case("foreign", (5, 5), 6, 7, (3, 3), pad=1)
    types = (
        TensorType((5, 5, 6), block=LANES),
        TensorType((3, 3, 6, 7), batched=False),
        TensorType((5, 5, 7), block=5),
    )
    operands = [Operand(kind, aligned(kind.stored)) for kind in types]
    scratch = {"weights": aligned(10_000), "input": aligned(0)}
    with pytest.raises(ValueError, match="blocks of"):
        KERNELS["conv"].build(Request(trial.window, tuple(operands[:2]), (operands[2],), 1, 1, scratch))


@pytest.mark.slow
@pytest.mark.parametrize("lanes", ["4", "8"])
def test_narrower_vectors(lanes: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NETSPEC_LANES": lanes,
        "NETSPEC_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    finished = subprocess.run(
        [sys.executable, convolution_cases.__file__], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert f"with {lanes} lanes" in finished.stdout
