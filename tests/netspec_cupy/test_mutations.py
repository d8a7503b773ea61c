"""Mistakes in the backend's kernels are found by running them on the host half under three schedules."""

from __future__ import annotations

import os
import re
import traceback
import warnings
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from waiting_kernels import SHORT, SPLIT, layer_of_bytes

import netspec
from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.group_normalization import LayerNorm
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import MaxPool
from netspec.declarations.ops.synchronized_normalization import BatchNormMoments
from netspec.declarations.recipe import Recipe
from netspec.diagnostics import RunError
from netspec.passes.step import inference, training_step
from netspec.target import Precision
from netspec.testing import Trial, check_trial, inference_trial, training_trial
from netspec.testing.trials import trial as graph_trial
from netspec_cupy import sources
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice

CONV = training_trial(Case(Conv(filters=5, kernel=3, stride=2, padding=1), (TensorType((7, 6, 3)),)))
BATCH_NORM = training_trial(Case(BatchNorm(), (TensorType((4, 5, 33)),)))
LAYER_NORM = training_trial(Case(LayerNorm(axes="all"), (TensorType((5, 4, 17)),)))
MAX_POOL = training_trial(Case(MaxPool(size=3, stride=2, padding=1), (TensorType((6, 5, 3)),), ties=True))


DEEP = training_trial(Case(Conv(filters=12, kernel=3, padding=1), (TensorType((5, 6, 24)),)))
"""Seven stages of terms forward: the pipeline fills, runs and empties."""
BYTES = layer_of_bytes(Conv(filters=10, kernel=3, padding="same"), (6, 7, 24), residual=True)
MOMENTS = inference_trial(Case(BatchNormMoments(), (TensorType((40, 20, 3)),), offset=1000.0))
DEPTHWISE = training_trial(Case(Conv(filters=3, kernel=3, stride=2, padding=1, groups=3), (TensorType((7, 11, 3)),)))
DENSE = training_trial(Case(Dense(units=5), (TensorType((7,)),)))


def network(*layers: Any) -> netspec.Spec:
    ending: list[Any] = ["global_avg_pool", {"dense": 3}, "softmax"]
    return netspec.load({"netspec": 1, "input": [4, 4, 3], "layers": [*layers, *ending]})


SAME: dict[str, Any] = {"conv": {"filters": 3, "kernel": 3, "padding": "same"}}
_FUSED = network(SAME, {"add": {"body": [SAME], "shortcut": []}}, "relu")
RESIDUAL = graph_trial("residual", inference(_FUSED.graph, Recipe()), "infer", 3, 3)
_GATED = network(SAME, "batch_norm", "relu")
GATED = graph_trial("gate", training_step(_GATED.graph, Recipe()), "train", 3, 3)


class Mutation(NamedTuple):
    """A mistake: what stands in a module once, what takes its place, and the trial that has to notice."""

    module: str
    trial: Trial
    right: str
    wrong: str
    precision: Precision = "float32"
    algorithm: str | None = None
    capability: int = 80


def on_warpgroups(right: str, wrong: str, precision: Precision = "tf32") -> Mutation:
    """One of products by warpgroups, in a convolution of seven stages of terms."""
    return Mutation("convolution_warpgroups", DEEP, right, wrong, precision, f"{precision}/warpgroups", 90)


MUTATIONS = {
    "products without their barrier": Mutation("convolution", CONV, "    }\n    barrier();\n  }\n", "    }\n  }\n"),
    "a tile that is a turn behind": Mutation("convolution", CONV, "turn = (step - 1) % 2;", "turn = step % 2;"),
    "a halo that is one cell too wide": Mutation("convolution", CONV, "at >= w.input[axis]", "at > w.input[axis]"),
    "a window that begins one cell late": Mutation("convolution", CONV, "- w.before[axis] +", "- w.before[axis] + 1 +"),
    "a phase that begins with the wrong tap": Mutation(
        "convolution", CONV, "phase.first_tap[axis] + tap", "0 * phase.first_tap[axis] + tap"
    ),
    "a phase that is put one cell beside": Mutation(
        "convolution", CONV, "phase.first_cell[axis] + cell", "0 * phase.first_cell[axis] + cell"
    ),
    "weights of the next tap": Mutation("convolution", CONV, "taps.number(k / group_filters)", "taps.number(0)"),
    "a residual of the next place": Mutation("convolution", RESIDUAL, "residual.at(place);", "residual.at(place + 1);"),
    "an epilogue that does not clip": Mutation(
        "convolution", RESIDUAL, "return number < low ? low : number > high", "return number > high"
    ),
    "a gate that is always open": Mutation("channels", GATED, "y > low && y < high ? slope : 0.f", "slope"),
    "a part that is left out": Mutation(
        "convolution",
        training_trial(SPLIT),
        "(int part = 0; part <",
        "(int part = 1; part <",
        algorithm="direct",
    ),
    "columns without their barrier": Mutation(
        "channels", BATCH_NORM, "[down][across] = sums[each];\n  barrier();", "[down][across] = sums[each];"
    ),
    "rows of the next chunk": Mutation(
        "channels", BATCH_NORM, "first + chunk_rows < rows ? first + chunk_rows : rows", "rows + 1"
    ),
    "a sum without its first barrier": Mutation(
        "normalization",
        LAYER_NORM,
        "warp_sum(value);\n  barrier();  // the last use of the array is over\n",
        "warp_sum(value);\n",
    ),
    "a sum without its second barrier": Mutation(
        "normalization", LAYER_NORM, "barrier();\n  Number total = 0;", "Number total = 0;"
    ),
    "tensor cores without their barrier": Mutation(
        "convolution_tf32",
        DEEP,
        "        barrier();\n      }\n      Number* stage",
        "      }\n      Number* stage",
        "tf32",
    ),
    "a wait that is too lax": Mutation(
        "convolution_tf32", DEEP, "wait_for_copies<STAGES - 2>", "wait_for_copies<STAGES - 1>", "tf32"
    ),
    "a swizzle of another kind for reading": Mutation(
        "convolution_tf32", DEEP, "return numbers[place(line, term)];", "return numbers[place(line, term) ^ 4];", "tf32"
    ),
    "matrices of the same terms twice": Mutation(
        "convolution_bf16", DEEP, "deep = lane / 8 % 2 * 8;", "deep = 0;", "bfloat16"
    ),
    "matrices that are not turned": Mutation(
        "convolution_bf16", DEEP, "load_matrices<!Tile::ALONG>", "load_matrices<false>", "bfloat16"
    ),
    "a tile whose chunks are permuted otherwise": Mutation(
        "convolution_bf16", DEEP, "Tile::place(line + within, term) :", "(line + within) * 64 + term :", "bfloat16"
    ),
    "numbers of 16 bits without their barrier": Mutation(
        "convolution_bf16",
        CONV,
        "        barrier();\n      }\n      Number* stage",
        "      }\n      Number* stage",
        "bfloat16",
    ),
    "a residual of 16 bits read as of 32": Mutation(
        "convolution_bf16", RESIDUAL, "return narrow ? (float)", "return !narrow ? (float)", "bfloat16"
    ),
    "a number of 16 bits stored in the place of the next": Mutation(
        "convolution_bf16", GATED, "<bf16*>(first)[place] = number", "<bf16*>(first)[place ^ 1] = number", "bfloat16"
    ),
    "sums of other rows": Mutation(
        "channels",
        BATCH_NORM,
        "(float)x[(i64)row * columns + column] - mean[column];\n    values[0] = deviation",
        "(float)x[column] - mean[column];\n    values[0] = deviation",
        "bfloat16",
    ),
    "copies of the next term": Mutation(
        "dense_tensor",
        DENSE,
        "first_term + own + each, end_term",
        "first_term + own + each + 1, end_term",
        "tf32",
    ),
    "bytes without their barrier": Mutation(
        "byte_convolution_tensor", BYTES, "first_column);\n    }\n    barrier();", "first_column);\n    }"
    ),
    "dot products without their barrier": Mutation(
        "byte_convolution", BYTES, "first_column);\n    }\n    barrier();", "first_column);\n    }", capability=75
    ),
    "fragments of bytes whose words are changed round": Mutation(
        "byte_convolution_tensor", BYTES, "deep * 2 + each / 2].at", "deep * 2 + 1 - each / 2].at"
    ),
    "bytes whose terms are changed round": Mutation(
        "byte_convolution_tensor", BYTES, "rows[2 * pair + 1], 0x5140", "rows[2 * pair + 1], 0x1540"
    ),
    "zeros that do not stand for 0": Mutation("byte_convolution_tensor", BYTES, "four_times(zero)", "0"),
    "bytes that are cut off": Mutation("byte_convolution_tensor", BYTES, "(int)rintf(number)", "(int)number"),
    "a residual of bytes in its own scale": Mutation(
        "byte_convolution_tensor", BYTES, "residual_zero) * ending.residual_scale", "residual_zero)"
    ),
    "weights rounded without their barrier": Mutation(
        "weight_rounding", BYTES, "= largest;\n  barrier();\n", "= largest;\n"
    ),
    "deviations from another mean": Mutation(
        "channels", MOMENTS, "mean[column];\n    values[1]", "mean[0];\n    values[1]"
    ),
    "a tile that sees one cell beyond the map": Mutation(
        "winograd", SHORT, "y >= map.sides[0] ||", "y > map.sides[0] ||", algorithm="winograd-4"
    ),
    "weights that are not turned about": Mutation(
        "winograd", SHORT, "turned ? 8 - tap : tap", "tap", algorithm="winograd-2"
    ),
    "a transform with a wrong sign": Mutation(
        "winograd", SHORT, "NEAR2 * NEAR * near_odd + FAR2", "NEAR2 * NEAR * near_odd - FAR2", algorithm="winograd-4"
    ),
    "wide products without their barrier": Mutation(
        "convolution_wide", DEEP, "      barrier();\n    }\n#pragma", "    }\n#pragma", algorithm="direct/wide"
    ),
    "four numbers that are not of one tap": Mutation(
        "convolution_wide", CONV, "if (factor.wide) {", "if (true) {", algorithm="direct/wide"
    ),
    "four numbers in the places of others": Mutation(
        "convolution_wide",
        DEEP,
        "tile[term() + i][line() / 4]",
        "tile[term() + 3 - i][line() / 4]",
        algorithm="direct/wide",
    ),
    "a stem without its first barrier": Mutation(
        "stem", SHORT, "    barrier();  // what was brought before is used no more\n", "", algorithm="direct/stem"
    ),
    "a stem without its second barrier": Mutation(
        "stem", SHORT, "    barrier();\n    for (int own", "    for (int own", algorithm="direct/stem"
    ),
    "a stem that sees one cell beyond the map": Mutation(
        "stem", SHORT, "number < width;", "number <= width;", algorithm="direct/stem"
    ),
    "channels without their barrier": Mutation("depthwise", DEPTHWISE, "  barrier();\n  if (channel", "  if (channel"),
    "strips that meet the tap beside": Mutation(
        "depthwise", DEPTHWISE, "places[BACK + (i - s) / STRIDE]", "places[BACK - (i - s) / STRIDE]"
    ),
    "a strip that begins one cell late": Mutation(
        "depthwise", DEPTHWISE, "ahead = w.before[2] % STRIDE;", "ahead = 0;"
    ),
    "warpgroups without their barrier": on_warpgroups("      barrier();\n    }\n    wait", "    }\n    wait"),
    "sums that are read before the last wait": on_warpgroups("    wait_for_products<0>(sums);\n", ""),
    "a wait for products that is too lax": on_warpgroups("wait_for_products<1>(sums);", "wait_for_products<3>(sums);"),
    "products that were not begun": on_warpgroups("        begin_products(sums);\n", ""),
    "products that do not see what was written": on_warpgroups("        show_to_products();\n", ""),
    "a swizzle for writing of another kind": on_warpgroups("byte >> 3 & Kind::PERMUTED", "byte >> 4 & Kind::PERMUTED"),
    "a tile that is described as of other rows": on_warpgroups("stride = 8 *", "stride = 4 *"),
    "a tile that is described as otherwise permuted": on_warpgroups("KIND = 1;", "KIND = 2;"),
    "a tile that is described from its beginning": on_warpgroups(
        "describe<Kind>(own + TILE_BYTES, byte)", "describe<Kind>(own + TILE_BYTES, 0)", "bfloat16"
    ),
    "the rows of the other warpgroup": on_warpgroups("own + group * GROUP_ROWS", "own + (1 - group) * GROUP_ROWS"),
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


RIGHT, WRONG, UNTRIED = range(3)


def is_right(mutation: Mutation, text: str, schedule: int) -> bool:
    """Tried in a process of its own: what a mutant writes to where it should not must spoil no other test."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # the child starts no threads
        child = os.fork()
    if child == 0:
        try:
            os._exit(_trial(mutation, text, schedule))
        except BaseException:  # a text that does not compile shows nothing, nor does what goes wrong in the test
            traceback.print_exc()
        finally:
            os._exit(UNTRIED)
    outcome = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert outcome != UNTRIED
    return outcome == RIGHT


def _trial(mutation: Mutation, text: str, schedule: int) -> int:
    backend = CupyBackend(HostDevice(schedule, texts={mutation.module: text}, capability=mutation.capability))
    try:
        found = check_trial(backend, mutation.trial, mutation.algorithm, mutation.precision)
    except RunError as error:
        if "[NS938]" in str(error):
            raise
        return WRONG  # threads that wait for ever
    return WRONG if found else RIGHT


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_are_found(mutation: str) -> None:
    given = MUTATIONS[mutation]
    text = inlined(given.module)
    assert text.count(given.right) == 1
    assert not all(is_right(given, text.replace(given.right, given.wrong), schedule) for schedule in (0, 1, 7))


@pytest.mark.parametrize("module", sorted({each.module for each in MUTATIONS.values()}))
def test_the_text_is_right_without_mutations(module: str) -> None:
    own = [each for each in MUTATIONS.values() if each.module == module]
    for each in {(id(each.trial), each.precision, each.algorithm): each for each in own}.values():
        assert is_right(each, inlined(module), 7)


def test_factors_are_rounded_and_not_cut_off() -> None:
    """Tensor cores ignore the last bits of TF32; by just under a unit of what is left, where all of them are set."""
    almost = np.float32(1 + 2.0**-10 - 2.0**-22)
    plain = inference_trial(Case(Dense(units=5, bias=False), (TensorType((7,)),)))
    inputs, state = (
        {name: np.full_like(x, almost) for name, x in each.items()} for each in (plain.inputs, plain.state)
    )
    trial = replace(plain, inputs=inputs, state=state)
    right, wrong = "rounded[i] = to_tf32(four[i])", "rounded[i] = bits_of(four[i])"
    given = Mutation("dense_warpgroups", trial, right, wrong, "tf32", "tf32/warpgroups", 90)
    text = inlined(given.module)
    assert is_right(given, text, 0)
    assert not is_right(given, text.replace(right, wrong), 0)


def test_forward_alone_is_right_too() -> None:
    assert check_trial(CupyBackend(HostDevice(schedule=7)), inference_trial(SPLIT)) == []
