"""A written module run in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from netspec.interop.pytorch.source import load_class
from netspec.interop.pytorch.training import from_torch, to_torch
from netspec.interop.tensors import Array


def load_module(file: Path, name: str, state: Mapping[str, Array]) -> object:
    """The module of a written file with these arrays as its state, in evaluation mode; every name is accounted for."""
    import torch

    module = load_class(file, name)()
    module.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    return module.eval()


def predict(
    file: Path, name: str, state: Mapping[str, Array], inputs: Mapping[str, Array], heads: Sequence[str]
) -> dict[str, Array]:
    """Every head of the written module, channels last, for inputs in the network's order, channels last."""
    import torch

    module = load_module(file, name, state)
    assert callable(module)
    with torch.inference_mode():
        found = module(*map(to_torch, inputs.values()))
    by_head = found if isinstance(found, dict) else {heads[0]: found}
    return {head: from_torch(tensor) for head, tensor in by_head.items()}
