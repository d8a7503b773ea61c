"""Networks defined in PyTorch predict the same after their weights are imported. Wants PyTorch: else left out."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.bench.case import Case, measured_network, new_runtime
from netspec.diagnostics import RunError
from netspec.interop.pytorch.training import from_torch, to_torch
from netspec.interop.tensors import relative_error
from netspec.interop.weights.take import Imported, import_weights
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.evaluate import predict
from netspec.zoo import zoo_path

pytestmark = pytest.mark.peer

SAME = 1e-4
"""float32 sums in another order, through a hundred layers, relative to the largest logit."""
SMALL = """\
netspec: 1
name: small
input: [6, 5, 3]
layers:
  - conv: {filters: 8, kernel: 3, padding: same}
  - batch_norm: {eps: 1e-5}
  - relu
  - conv: {filters: 12, kernel: 3, padding: same, groups: 2, bias: false}
  - depthwise_conv: {kernel: 3, multiplier: 2, padding: same}
  - prelu
  - conv_transpose: {filters: 6, kernel: 2, stride: 2, groups: 2}
  - flatten
  - dense: 16
  - relu
  - dense: 5
  - softmax
"""


def spec_of(name: str, *overrides: str) -> Spec:
    source = read_source(zoo_path(name))
    assert isinstance(source, Source)
    return load_spec(source, overrides)


def agreement(spec: Spec, imported: Imported, module: Any) -> float:
    """How far the logits of the two lie apart, relative to the largest."""
    import torch

    case = Case("infer", 2, 1, True, "numba")
    graph, recipe = measured_network(spec, case)
    x = np.random.default_rng(0).standard_normal((2, *graph.inputs[0].type.shape), dtype=np.float32)
    with torch.inference_mode():
        wanted = from_torch(module(to_torch(x)))
    (found,) = predict(new_runtime(graph, recipe, case, imported.weights), {graph.inputs[0].name: x}).values()
    return relative_error(found, wanted)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("peer", "name", "overrides"),
    [
        ("ResNet18", "resnet18", ["input=[64, 64, 3]"]),
        ("MobileNetV2", "mobilenet_v2", ["input=[64, 64, 3]"]),
        pytest.param("InceptionV3", "inception_v3", [], marks=pytest.mark.long),
        pytest.param("ResNet18", "resnet18", [], marks=pytest.mark.long),
        pytest.param("MobileNetV2", "mobilenet_v2", [], marks=pytest.mark.long),
    ],
)
def test_the_zoo_takes_the_weights_of_torchvision(
    peer: str, name: str, overrides: list[str], ending: str, tmp_path: Path
) -> None:
    import torch
    import torch_peers
    from safetensors.torch import save_file

    module = torch_peers.randomised(getattr(torch_peers, peer)())
    file = tmp_path / f"weights{ending}"
    (torch.save if ending == ".pt" else save_file)(module.state_dict(), file)
    spec = spec_of(name, *overrides)
    imported = import_weights(spec.graph, spec.recipe, file)
    assert {each.tensor for each in imported.taken} | imported.ignored.keys() == module.state_dict().keys()
    assert agreement(spec, imported, module) < SAME


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_every_kind_of_turned_layer(ending: str, tmp_path: Path) -> None:
    import torch
    import torch_peers
    from safetensors.torch import save_file

    module = torch_peers.randomised(torch_peers.Small())
    file = tmp_path / f"weights{ending}"
    (torch.save if ending == ".pt" else save_file)(module.state_dict(), file)
    spec = load_spec(Source("small.yaml", SMALL))
    imported = import_weights(spec.graph, spec.recipe, file)
    how = {each.tensor: each for each in imported.taken}
    assert how["hidden.weight"].change.startswith("rows permuted for flatten: read as [16, 6, 12, 10]")
    assert how["stem.weight"].change == "transposed: axes [2, 3, 1, 0]"
    assert how["stem.bias"].change == ""
    assert {each.by for each in imported.taken} == {"shape"}
    assert agreement(spec, imported, module) < SAME


def test_a_checkpoint_holds_the_weights_among_other_things(tmp_path: Path) -> None:
    import torch
    import torch_peers

    module = torch_peers.randomised(torch_peers.Small())
    state = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {}}}, tmp_path / "checkpoint.pth")
    spec = load_spec(Source("small.yaml", SMALL))
    imported = import_weights(spec.graph, spec.recipe, tmp_path / "checkpoint.pth")
    assert set(imported.ignored) == {"epoch", "optimizer", "norm.num_batches_tracked"}
    assert agreement(spec, imported, module) < SAME


class Exploit:
    def __reduce__(self) -> Any:
        return print, ("this was executed",)


def test_a_file_with_code_is_refused_and_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    import torch_peers

    spec = load_spec(Source("small.yaml", SMALL))
    torch.save(torch_peers.Small(), tmp_path / "model.pt")
    with pytest.raises(RunError, match=r"NS981.*it names torch_peers\.Small"):
        import_weights(spec.graph, spec.recipe, tmp_path / "model.pt")
    (tmp_path / "exploit.pt").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(RunError, match=r"NS98[01]"):
        import_weights(spec.graph, spec.recipe, tmp_path / "exploit.pt")
    assert "executed" not in capsys.readouterr().out


def test_damaged_files_end_in_a_diagnostic(tmp_path: Path) -> None:
    import torch
    import torch_peers

    spec = load_spec(Source("small.yaml", SMALL))
    torch.save(torch_peers.Small().state_dict(), tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for number in range(40):
        data = bytearray(whole[: int(generator.integers(len(whole)))] if number % 2 else whole)
        for place in generator.integers(0, max(len(data), 1), 20 if number % 2 == 0 else 0):
            data[place] ^= int(generator.integers(1, 256))
        (tmp_path / "hurt.pt").write_bytes(bytes(data))
        try:
            import_weights(spec.graph, spec.recipe, tmp_path / "hurt.pt")  # a change of numbers alone is not to be seen
        except RunError:
            refused += 1
    assert refused >= 20, "every file that was cut off, and others"
