"""Files of PyTorch: a ``state_dict`` as safetensors, or as ``.pt``, of which nothing but tensors is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from netspec.diagnostics import RunError
from netspec.diagnostics.libraries import require
from netspec.interop.tensors import Array
from netspec.interop.weights.found import Found, Order, by_layer, natural

COUNTER = "num_batches_tracked"
WRAPPERS = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put in front of every name."""
STATES = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Where checkpoints keep the weights, beside the state of the optimiser and much else."""

DEFINITION_ORDERS: tuple[tuple[str, ...], ...] = (
    ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample", r"layer\d", "fc"),  # ResNet
    ("features", "conv", "classifier"),  # VGG, AlexNet, MobileNet v2
    ("features", "squeeze", "expand1x1", "expand3x3", "classifier"),  # SqueezeNet
    ("conv1", r"stage\d", "branch1", "branch2", "conv5", "fc"),  # ShuffleNet v2
    (  # DenseNet
        *("features", "conv0", "norm0", "denseblock1", "transition1", "denseblock2", "transition2", "denseblock3"),
        *("transition3", "denseblock4", "norm5", r"denselayer\d+", "norm1", "conv1", "norm2", "conv2"),
        *("norm", "conv", "classifier"),
    ),
    (r"conv\d", r"inception\d.", r"aux\d", r"branch\d", "conv", "bn", r"fc\d?"),  # GoogLeNet
    (  # Inception v3
        *(r"Conv2d_\w+", r"Mixed_[56].", "AuxLogits", r"Mixed_7.", "branch1x1", r"branch\dx\d(_\d.?)?"),
        *(r"branch\dx\ddbl_\d.?", r"branch7x7x3_\d", "branch_pool", r"conv\d", "conv", "bn", "fc"),
    ),
)
"""In what order networks that many files are of define their layers, for files that keep no order. Each is a list of
patterns for the parts of a layer's name; a file is of such a network if every part fits one.
"""


def read_safetensors(path: Path) -> Found:
    """The layers of a safetensors file, in the order of a known network or else by their names; RunError NS980."""
    try:
        arrays = dict(load(path.read_bytes()))
    except OSError as error:
        raise RunError.of("NS980", file=path, format="safetensors", problem=error.strerror or str(error)) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:  # the last three: element types NumPy lacks
        raise RunError.of("NS980", file=path, format="safetensors", problem=str(error)) from error
    arrays = _unwrapped(arrays)
    layers = {name.rpartition(".")[0] for name in arrays}
    for parts in DEFINITION_ORDERS:
        ranks = {layer: _ranks(layer, parts) for layer in layers}
        if None not in ranks.values():
            ordered = sorted(arrays, key=lambda name: (ranks[name.rpartition(".")[0]] or (), name))
            return _found(path, {name: arrays[name] for name in ordered}, "definition")
    return _found(path, {name: arrays[name] for name in sorted(arrays, key=natural)}, "names")


def _ranks(layer: str, patterns: tuple[str, ...]) -> tuple[Any, ...] | None:
    """Where a layer stands among others, by the parts of its name; None where one fits no pattern."""
    ranks: list[Any] = []
    for part in layer.split("."):
        rank = next((i for i, pattern in enumerate(patterns) if part.isdigit() or re.fullmatch(pattern, part)), None)
        if rank is None:
            return None
        ranks.append((-1 if part.isdigit() else rank, natural(part)))
    return tuple(ranks)


def read_pickled(path: Path) -> Found:
    """The layers of a ``.pt`` or ``.pth`` file in the order of their definition.

    A RunError where PyTorch is missing (NS931), the file is damaged (NS980), or holds more than tensors (NS981).
    """
    require("torch", "to read a file of PyTorch", "torch")
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RunError.of("NS980", file=path, format="PyTorch", problem=error.strerror or str(error)) from error
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except Exception as error:  # PyTorch's reader of a damaged file raises whatever its parts do
        raise RunError.of("NS980", file=path, format="PyTorch", problem=_first_line(error)) from error
    state, others = _state(content)
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise RunError.of("NS980", file=path, format="PyTorch", problem="it holds no state_dict")
    rest = [*others, *(str(name) for name in state if name not in tensors)]
    arrays = {str(name): _array(path, str(name), tensor) for name, tensor in tensors.items()}
    return _found(path, _unwrapped(arrays), "definition", dict.fromkeys(rest, "not a tensor of the network"))


def _refusal(path: Path, said: str) -> RunError:
    """What is refused since it would execute code, told from what is damaged."""
    if "Unsupported" in said or "WeightsUnpickler" in said or "weights_only" in said.lower():
        unknown = re.search(r"GLOBAL ([\w.]+)", said)
        what = f"it names {unknown.group(1)}" if unknown else "it is no plain state_dict"
        return RunError.of("NS981", file=path, problem=what)
    return RunError.of("NS980", file=path, format="PyTorch", problem=_first_line(said))


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _state(content: Any) -> tuple[Mapping[Any, Any], list[str]]:
    """The weights in a checkpoint, and what else is in it."""
    if not isinstance(content, Mapping):
        return {}, []
    for key in STATES:
        if isinstance(content.get(key), Mapping):
            return content[key], [str(other) for other in content if other != key]
    return content, []


def _array(path: Path, name: str, tensor: Any) -> Array:
    import torch

    try:
        plain = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
        array: Array = (plain.float() if plain.is_floating_point() else plain).cpu().numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        problem = f"the tensor '{name}' cannot be read: {_first_line(error)}"
        raise RunError.of("NS980", file=path, format="PyTorch", problem=problem) from error
    return array


def _unwrapped(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors without what wrappers put in front of every name."""
    for prefix in WRAPPERS:
        if arrays and all(name.startswith(prefix) for name in arrays):
            return _unwrapped({name.removeprefix(prefix): array for name, array in arrays.items()})
    return dict(arrays)


def _found(path: Path, arrays: Mapping[str, Array], order: Order, ignored: Mapping[str, str] | None = None) -> Found:
    counters = [name for name in arrays if name.rpartition(".")[2] == COUNTER]
    kept = {name: np.asarray(array) for name, array in arrays.items() if name not in counters}
    told = dict.fromkeys(counters, "a counter that netspec does not keep") | dict(ignored or {})
    return Found(str(path), "torch", tuple(by_layer(kept)), order, told)
