"""Training that is aware of quantisation: it rounds where bytes will, and what it learns is what bytes compute."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from netspec.backend import find_backend
from netspec.cli import quantize, train
from netspec.core.expression import evaluate as computed
from netspec.core.verify import verify
from netspec.data.read import read_dataset
from netspec.declarations.ops.fake_quantization import FakeQuantize, FakeQuantizeDx
from netspec.declarations.options import QuantizationAware
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode
from netspec.passes.fake_quantization import rounded_places, with_learnt
from netspec.passes.quantization import Range, parameters
from netspec.passes.step import evaluation, inference, prepare, training_step
from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.training.evaluate import evaluate, predict
from netspec.training.quantization_aware import learnt_ranges, refuse_without_rounding
from netspec.training.runs import find_checkpoint
from netspec.training.runtime import Runtime

RUN = """\
netspec: 1
name: small
input: [8, 8, 1]
layers:
  - conv: {filters: 8, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - add: {body: [{conv: {filters: 8, kernel: 3, padding: same}}, batch_norm], shortcut: []}
  - relu
  - max_pool: 2
  - dropout: 0.1
  - flatten
  - dense: 10
  - softmax
train:
  data: digits
  preprocess: [{divide: 255}]
  optimizer: adam
  lr: {cosine: {peak: 0.01}}
  epochs: 8
  batch: 64
"""
AWARE = RUN + "  quantize: {start: 10, momentum: 0.9}\n"


def call(command: Any, *arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


def train_run(spec: Path, *arguments: object) -> Result:
    return call(train.command, spec, *arguments, "--quiet", "--no-report", "--threads", 1, "--format", "json")


@pytest.mark.parametrize("limits", [(0.0, 2.0), (-1.5, 0.7), (0.2, 0.9), (-3.0, -1.0)])
def test_it_rounds_as_bytes_do_and_passes_the_gradient_straight_through(limits: tuple[float, float]) -> None:
    x = np.linspace(-4, 4, 1001)
    given = parameters(Range(*limits))
    byte = np.clip(np.rint(x * (1 / given.scale)), -given.zero, 255 - given.zero)
    values = {"x0": x, "x1": np.float64(limits[0]), "x2": np.float64(limits[1])}
    (rounds,) = FakeQuantize().expressions(3)
    np.testing.assert_allclose(computed(rounds, values, np), byte * given.scale, atol=1e-12)
    (passes,) = FakeQuantizeDx().expressions(4)
    dx = computed(passes, {"x0": np.ones_like(x), **{f"x{i + 1}": v for i, v in enumerate(values.values())}}, np)
    first, last = -given.zero * given.scale, (255 - given.zero) * given.scale
    assert dx.tolist() == ((x >= first) & (x <= last)).astype(float).tolist()


def test_without_a_range_nothing_is_rounded() -> None:
    x, none = np.array([-1.23, 0.0, 4.56]), np.float64(0)
    assert computed(FakeQuantize().expressions(3)[0], {"x0": x, "x1": none, "x2": none}, np).tolist() == x.tolist()
    values = {"x0": np.ones(3), "x1": x, "x2": none, "x3": none}
    assert computed(FakeQuantizeDx().expressions(4)[0], values, np).tolist() == [1, 1, 1]


def test_ranges_move_from_the_start_on_and_the_first_time_all_the_way() -> None:
    option = QuantizationAware(start=3, momentum=0.9)
    assert [option.share(update) for update in (1, 3)] == [0, 0]
    assert [option.share(update) for update in (4, 5)] == pytest.approx([1.0, 0.1 / 0.19])


def test_it_rounds_what_will_be_bytes() -> None:
    spec = load_spec(Source("net.yaml", AWARE))
    for dtype in ("uint8", "float32"):
        places = rounded_places(prepare(spec.graph, spec.recipe, dtype))
        # The sum and its relu go into the second convolution; pooling and flatten pass bytes on; dense gives numbers.
        assert set(places.activations) == {"input", "relu", "relu2"}
        assert places.weights == {"conv.weight", "add/body/conv.weight", "dense.weight"}
    step, scored = training_step(spec.graph, spec.recipe), evaluation(spec.graph, spec.recipe, rounds=True)
    for graph in (step, scored):
        verify(graph)
        assert sum(node.op.name == "fake_quantize" for node in graph) == 3
    assert sum(node.op.name == "extremes" for node in step) == 3
    assert not any(node.op.name == "extremes" for node in scored)
    assert load_spec(Source("again.yaml", resolved_text(spec))).recipe.quantize == spec.recipe.quantize


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The test accuracy of a run that knows nothing of bytes, and a run that does, of as many epochs."""
    folder = tmp_path_factory.mktemp("aware")
    found = {}
    for name, text in (("float32", RUN), ("aware", AWARE)):
        (folder / f"{name}.yaml").write_text(text)
        result = train_run(folder / f"{name}.yaml", "--run-dir", folder / name)
        assert result.exit_code == 0, result.output
        found[name] = json.loads((folder / name / "manifest.json").read_text())["metrics"]["test"]
    return found, folder / "aware"


def test_bytes_compute_what_was_trained(runs: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    scores, run = runs
    assert scores["aware"]["accuracy"] >= scores["float32"]["accuracy"] - 0.01
    document = json.loads(call(quantize.command, run, "-o", tmp_path / "int8", "--format", "json").stdout)
    assert document["method"] == "learnt"
    assert document["layers"] == ["conv", "add/body/conv", "dense"]
    assert document["left"] == []
    assert document["after"]["metrics"]["accuracy"] == pytest.approx(scores["aware"]["accuracy"], abs=0.01)
    said = call(quantize.command, run, "--threads", 1, "-o", tmp_path / "text").stdout
    assert "3 layers in bytes, ranges as learnt" in said
    calibrated = call(quantize.command, run, "--method", "min-max", "-o", tmp_path / "other", "--format", "json")
    assert json.loads(calibrated.stdout)["method"] == "min-max"


def test_bytes_and_what_is_scored_while_training_agree(runs: tuple[dict[str, Any], Path]) -> None:
    """Both round at the same places to the same grid; where float32 sums end at other sides of a tie, they differ."""
    _, run = runs
    checkpoint, spec = find_checkpoint(run, "last"), load_spec(Source("net.yaml", AWARE))
    backend, data = find_backend("numba"), read_dataset(spec, None, Path(), None).test
    rounding = Runtime(spec.graph, spec.recipe, backend, 64, 1)
    ranges = with_learnt(inference(spec.graph, spec.recipe), learnt_ranges(checkpoint))
    bytes_ = Runtime(spec.graph, spec.recipe, backend, 64, 1, trains=False, ranges=ranges)
    weights = decode(checkpoint.weights.read_bytes(), "weights")
    for name, array in {**weights, **decode(checkpoint.moments.read_bytes(), "moments")}.items():
        rounding.state.write(name, array)
    for name, array in weights.items():
        bytes_.state.write(name, array)
    (one,), (other,) = (tuple(predict(each, data.inputs).values()) for each in (rounding, bytes_))
    assert (one.argmax(axis=-1) == other.argmax(axis=-1)).mean() > 0.99
    assert np.abs(one - other).mean() < 2e-3
    assert evaluate(rounding, data).scores.loss == pytest.approx(evaluate(bytes_, data).scores.loss, rel=0.02)


def test_a_resumed_run_ends_in_the_same_bits(runs: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    """The ranges are part of a checkpoint."""
    run, cut = runs[1], tmp_path / "cut"
    copytree(run, cut)
    find_checkpoint(cut, "last").weights.write_bytes(b"")  # so that it goes on from the one before
    result = train_run(run.parent / "aware.yaml", "--run-dir", cut, "--resume")
    assert result.exit_code == 0, result.output
    checkpoints = [find_checkpoint(folder, "last") for folder in (run, cut)]
    assert checkpoints[0].step == checkpoints[1].step
    for what in ("weights", "moments"):
        one, other = (decode(getattr(each, what).read_bytes(), what) for each in checkpoints)
        assert one.keys() == other.keys()
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert one["relu:highest"] > one["relu:lowest"] == 0


def test_what_cannot_train_for_bytes_is_refused(tmp_path: Path) -> None:
    aware = Recipe(quantize=QuantizationAware())
    lacking: Any = SimpleNamespace(name="other", kernel=lambda op: "missing" if op == "extremes" else "generated")
    with pytest.raises(RunError, match="NS867"):
        refuse_without_rounding(lacking, aware)
    refuse_without_rounding(lacking, Recipe())
    with pytest.raises(RunError, match="NS868"):
        refuse_without_rounding(find_backend("numba"), Recipe(quantize=QuantizationAware(), precision="bfloat16"))
    (tmp_path / "net.yaml").write_text(RUN + "  quantize: {start: 4000}\n")
    refused = train_run(tmp_path / "net.yaml", "--run-dir", tmp_path / "run")
    assert "[NS869] train.quantize rounds activations after 4,000 updates, but the run has " in str(refused.exception)
