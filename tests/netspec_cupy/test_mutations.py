"""Mistakes in the backend's kernels are found by running them on the host half under three schedules."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import pytest
from waiting_kernels import SPLIT

from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.group_normalization import LayerNorm
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import MaxPool
from netspec.diagnostics import RunError
from netspec.testing import Trial, check_trial, inference_trial, training_trial
from netspec_cupy import sources
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice

CONV = training_trial(Case(Conv(filters=5, kernel=3, stride=2, padding=1), (TensorType((7, 6, 3)),)))
BATCH_NORM = training_trial(Case(BatchNorm(), (TensorType((4, 5, 33)),)))
LAYER_NORM = training_trial(Case(LayerNorm(axes="all"), (TensorType((5, 4, 17)),)))
MAX_POOL = training_trial(Case(MaxPool(size=3, stride=2, padding=1), (TensorType((6, 5, 3)),), ties=True))


class Mutation(NamedTuple):
    """A mistake: what stands in a module once, what takes its place, and the trial that has to notice."""

    module: str
    trial: Trial
    right: str
    wrong: str


MUTATIONS = {
    "products without their barrier": Mutation("convolution", CONV, "    }\n    barrier();\n  }\n", "    }\n  }\n"),
    "a tile that is a turn behind": Mutation("convolution", CONV, "turn = (step - 1) % 2;", "turn = step % 2;"),
    "a halo that is one cell too wide": Mutation("convolution", CONV, "at >= w.input[axis]", "at > w.input[axis]"),
    "a window that begins one cell late": Mutation("convolution", CONV, "- w.before[axis] +", "- w.before[axis] + 1 +"),
    "a gradient that forgets the stride": Mutation("convolution", CONV, "|| at * w.stride[axis] != far ", ""),
    "weights that are not turned": Mutation(
        "convolution", CONV, "channels + n) * filters + k %", "channels + n) * filters + n %"
    ),
    "a part that is left out": Mutation(
        "convolution",
        training_trial(SPLIT),
        "(int part = 0; part <",
        "(int part = 1; part <",
    ),
    "columns without their barrier": Mutation(
        "channels", BATCH_NORM, "[down][across] = sums[each];\n  barrier();", "[down][across] = sums[each];"
    ),
    "rows of the next chunk": Mutation(
        "channels", BATCH_NORM, "first + chunk_rows < rows ? first + chunk_rows : rows", "rows + 1"
    ),
    "a sum without its first barrier": Mutation(
        "normalization", LAYER_NORM, "  barrier();  // the last use of the array is over\n", ""
    ),
    "a sum without its second barrier": Mutation("normalization", LAYER_NORM, "= value;\n  barrier();\n", "= value;\n"),
    "a maximum that takes the last of equals": Mutation(
        "pooling", MAX_POOL, "return x > best ||", "return x >= best ||"
    ),
    "a gradient of the wrong tap": Mutation(
        "pooling", MAX_POOL, "(index[at] == (Index)tap) total += dy[at];", "(index[at] <= (Index)tap) total += dy[at];"
    ),
}


@cache
def inlined(module: str) -> str:
    """A module's text with its headers in place, all but the seam."""
    text, seen = sources.written()[module].text, set()

    def header(match: re.Match[str]) -> str:
        name = match[1]
        if name == "device.cuh" or name in seen:
            return match[0] if name == "device.cuh" else ""
        seen.add(name)
        own = sources.headers()[name].replace("#pragma once\n", "")
        return re.sub(r'#include "(\w+\.cuh)"', header, own)

    return re.sub(r'#include "(\w+\.cuh)"', header, text)


def is_right(trial: Trial, texts: dict[str, str], schedule: int) -> bool:
    try:
        return check_trial(CupyBackend(HostDevice(schedule, texts=texts)), trial) == []
    except RunError:
        return False


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_are_found(mutation: str) -> None:
    module, trial, right, wrong = MUTATIONS[mutation]
    text = inlined(module)
    assert text.count(right) == 1
    assert not all(is_right(trial, {module: text.replace(right, wrong)}, schedule) for schedule in (0, 1, 7))


@pytest.mark.parametrize("module", ["convolution", "channels", "normalization", "pooling"])
def test_the_text_is_right_without_mutations(module: str) -> None:
    trials = [each.trial for each in MUTATIONS.values() if each.module == module]
    assert is_right(trials[0], {module: inlined(module)}, 7)


def test_forward_alone_is_right_too() -> None:
    assert check_trial(CupyBackend(HostDevice(schedule=7)), inference_trial(SPLIT)) == []
