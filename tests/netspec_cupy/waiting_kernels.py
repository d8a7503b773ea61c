"""The kernels whose threads wait for each other, and cases that run every one of them."""

from __future__ import annotations

import re
from typing import Any

from recording_device import CHOSEN, Way, plan_of

from netspec.core.builder import Builder
from netspec.core.reference import Case
from netspec.core.types import Quantized, TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.quantization import ConvInt8, Quantize, QuantizeWeights
from netspec.testing import Trial, all_cases, byte_trials, inference_trial, training_trial
from netspec.testing.trials import trial
from netspec_cupy import sources
from netspec_cupy.backend import CupyBackend

SPLIT = Case(Conv(filters=5, kernel=3, padding="same"), (TensorType((40, 20, 3)),))
"""So many places that the sum of its weight gradient is cut into parts."""

OPS = (
    "all_finite batch_mean batch_norm batch_norm.moments channel_sum conv conv_transpose cross_entropy dense "
    "depthwise_conv global_norm group_norm layer_norm prelu sample_sum softmax"
)
_WAITS = re.compile(
    r"\b(barrier|shuffle_xor|load_matrices|warp_\w+|block_\w+|sum_chunk|sum_part|joined|multiply_tile|convolve_bytes|"
    r"InFloat32|InFloat32Wide|OnTensorCores|OnWarpgroups)\b"
)


def waiting_kernels() -> set[str]:
    """By their sources: what calls a function that waits, or one that does."""
    found = set()
    for module in sources.written().values():
        bodies = {kernel: _body(module.text, f"KERNEL({kernel},") for kernel in module.kernels}
        helpers = {
            name: _body(module.text, f" {name}(") for name in re.findall(r"^DEVICE \w+ (\w+)\(", module.text, re.M)
        }
        waiting = {name for name, body in helpers.items() if _WAITS.search(body)}
        for kernel, body in bodies.items():
            if _WAITS.search(body) or any(re.search(rf"\b{name}\b", body) for name in waiting):
                found.add(kernel)
    return found


def _body(text: str, start: str) -> str:
    """From a function's beginning to the brace in the first column that ends it, or to the end of its line."""
    begin = text.index(start)
    first_line = text[begin : text.index("\n", begin)]
    return first_line if first_line.endswith("}") else text[begin : text.index("\n}", begin)]


def results(backend: CupyBackend, trial: Trial, way: Way = CHOSEN) -> dict[str, Any]:
    """Outputs and new state of a trial."""
    plan = plan_of(backend, trial, way)
    state = backend.state(plan)
    for name, array in trial.state.items():
        state.write(name, array)
    executable = backend.load(plan, state, 1)
    executable.run(trial.inputs, trial.scalars, trial.batch)
    outputs = {name: executable.output(name) for name in trial.graph.outputs}
    return outputs | {f"new {name}": state.read(name) for name in trial.state}


def rounded_trials() -> list[Trial]:
    """Those of the ops that have kernels on tensor cores."""
    ops = ("conv", "conv_transpose", "dense")
    own = [next(case for case in all_cases() if case.attrs.declaration.name == op) for op in ops]
    return [training_trial(case) for case in own]


def layer_of_bytes(layer: Any, shape: tuple[int, ...], real: bool = False, residual: bool = False) -> Trial:
    """A convolution or dense layer of bytes, with or without a residual, whose output is bytes or ``real``."""
    g = Builder("layer of bytes")
    given, made = Quantized(0.02, 77), Quantized(0.05, 100)
    x = g.add(Quantize(y=given), g.input("x", TensorType(shape)))
    parameters = [g.state(name, param, "parameter") for name, param in layer.params(x.type.real()).items()]
    prepared = g.node(QuantizeWeights(x=given, y=None if real else made, bias=len(parameters) > 1), *parameters)
    added = [g.add(Quantize(y=Quantized(0.03, 20)), g.input("r", layer.infer(x.type.real())))] if residual else []
    y = g.add(ConvInt8(layer=layer, y=None if real else made, low=40), x, *prepared.outputs, *added)
    return trial(f"{layer!r} of bytes on {shape}", g.graph({"y": y}), "infer", 3, 2)


def layers_of_bytes() -> list[Trial]:
    """More rows, columns and terms than a tile has, words that lie side by side and others, groups, float32 numbers."""
    return [
        layer_of_bytes(Conv(filters=72, kernel=3, padding="same"), (8, 6, 24), residual=True),
        layer_of_bytes(Conv(filters=5, kernel=(3, 2), stride=2, padding=1, dilation=2), (9, 8, 3)),
        layer_of_bytes(Conv(filters=24, kernel=3, padding=1, groups=2, bias=False), (7, 4, 6)),
        layer_of_bytes(Conv(filters=8, kernel=3, padding=1, groups=4), (5, 4, 8), residual=True),
        layer_of_bytes(Dense(units=70), (150,), real=True),
    ]


SHORT = training_trial(Case(Conv(filters=5, kernel=3, padding="same"), (TensorType((6, 5, 4)),)))
"""A convolution that every algorithm of float32 computes."""
FORCED = [
    *(
        (training_trial(Case(Conv(filters=3, kernel=size, stride=stride, groups=3), (TensorType((9, 11, 3)),))), CHOSEN)
        for size in (3, 5)
        for stride in (1, 2)
    ),
    (SHORT, Way(algorithm="direct/stem")),
    *((SHORT, Way(algorithm=f"winograd-{side}{tile}")) for side in (2, 4) for tile in ("", "/wide")),
    *((trial, Way(algorithm="direct/wide")) for trial in rounded_trials()),
    *((trial, Way(each, f"{each}/warpgroups", 90)) for trial in rounded_trials() for each in ("tf32", "bfloat16")),
]
"""What is not chosen for anything as small as a test."""


def trials() -> list[Trial]:
    """One or two uses of each op whose kernels wait, forward and with gradients."""
    cases = [SPLIT]
    for op in OPS.split():
        own = [case for case in all_cases() if case.attrs.declaration.name == op]
        cases += [own[0], own[len(own) // 2]]
    of_ops = [make(case) for case in cases for make in (inference_trial, training_trial)]
    rounded = next(each for each in byte_trials() if each.mode == "train")
    return [*of_ops, rounded, *layers_of_bytes()]
