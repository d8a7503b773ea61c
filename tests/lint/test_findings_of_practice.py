"""What the rules of cost, training and portability say beyond their examples, and what they leave alone."""

from __future__ import annotations

import gzip
import struct
import textwrap
from pathlib import Path

import numpy as np
import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.lint.settings import Budgets, Settings
from netspec.syntax.source import Source


def findings(
    layers: str, shape: str = "[16, 16, 3]", rest: str = "", budgets: Budgets | None = None
) -> list[Diagnostic]:
    layers = textwrap.indent(textwrap.dedent(layers).strip(), "  ")
    source = Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}\n{rest}")
    return lint(source, settings=Settings(budgets=budgets or Budgets()))


def codes(layers: str, shape: str = "[16, 16, 3]", rest: str = "") -> list[str]:
    return [diagnostic.code for diagnostic in findings(layers, shape, rest)]


def test_a_layer_of_a_block_is_used_if_one_use_of_the_block_uses_it() -> None:
    text = """\
netspec: 1
input: [4]
blocks:
  pair: {layers: [{relu: , name: a}, {tanh: , from: input}]}
layers:
  - pair
  - pair:
    name: second
  - add:
    from: [second, input]
"""
    (found,) = lint(Source("spec.yaml", text))
    assert (found.code, found.span.line, found.span.column) == ("NS239", 4, 20)
    used = text.replace("[second, input]", "[second/a, input]")
    assert lint(Source("spec.yaml", used)) == []


def test_the_last_layer_may_be_a_sigmoid() -> None:
    stack = "- dense: 4\n- sigmoid\n" * 3
    assert codes(stack, "[4]") == []
    (found,) = findings(stack + "- dense: 2", "[4]")
    assert found.code == "NS308"
    assert found.span.line == 5
    assert "3 sigmoids" in found.message
    assert "1/64" in found.message


def test_a_kernel_on_few_channels_is_large_for_a_reason() -> None:
    assert codes("- conv: {filters: 64, kernel: 7}\n- relu") == []
    (found,) = findings("- conv: {filters: 16, kernel: 7}\n- relu", "[16, 16, 16]")
    assert (found.code, found.severity) == ("NS310", "info")
    assert found.help_text == "write 3 convolutions with kernel 3x3 and an activation between them"


def test_a_batch_that_fits_is_named() -> None:
    rest = "train: {batch: 64}\n"
    (found,) = findings("- conv: {filters: 8, kernel: 3}\n- relu", rest=rest, budgets=Budgets(fits=500_000))
    assert (found.code, found.span.line) == ("NS404", 6)
    assert found.help_text is not None
    assert found.help_text.startswith("a batch of ")
    (found,) = findings("- conv: {filters: 8, kernel: 3}\n- relu", rest=rest, budgets=Budgets(fits=10))
    assert found.help_text == "not even a batch of 1 fits"


def test_budgets_of_a_spec_that_could_not_be_read_are_not_judged() -> None:
    found = findings("- cnov: {filters: 8, kernel: 3}", budgets=Budgets(1, 1, 1, 1))
    assert [d.code for d in found] == ["NS104"]


@pytest.mark.parametrize(
    ("train", "found"),
    [
        ("optimizer: sgd, lr: 0.1", []),
        ("optimizer: sgd, lr: 3", ["NS513"]),
        ("optimizer: adam, lr: {cosine: 0.5}", ["NS513"]),
        ("optimizer: adam", []),
        ("lr: {cosine: {peak: 0.1, warmup_epochs: 10}}, epochs: 10", ["NS517"]),
        ("lr: {step: {start: 0.1, every: 10}}, epochs: 11", []),
        ("loss: {cross_entropy: {label_smoothing: 0.5}}", ["NS519"]),
        ("data: mnist, preprocess: [{divide: 255}], batch: 60001", ["NS515"]),
        ("data: mnist, preprocess: [{divide: 255}], batch: 60000", []),
        ("data: mnist, preprocess: [{normalize: {mean: 0.5, std: 0.5}}]", ["NS516"]),
        ("data: mnist, preprocess: [{normalize: {mean: 125, std: 1}}]", []),
        ("data: mnist, preprocess: [{divide: 255}, {normalize: {mean: 0.5, std: 0.5}}]", []),
    ],
)
def test_recipes(train: str, found: list[str]) -> None:
    rest = f"train: {{{train}}}\n"
    assert codes("- flatten\n- dense: 10\n- softmax", "[28, 28, 1]", rest) == found


@pytest.mark.parametrize(
    ("loss", "last", "found"),
    [
        ("cross_entropy", "softmax", []),
        ("cross_entropy", "relu", ["NS514"]),
        ("binary_cross_entropy", "sigmoid", []),
        ("binary_cross_entropy", "softmax", ["NS514"]),
        ("mean_squared_error", "relu", []),
        ("mean_squared_error", "softmax", ["NS514"]),
        ("mean_squared_error", "linear", []),
    ],
)
def test_losses_and_last_layers(loss: str, last: str, found: list[str]) -> None:
    assert codes(f"- dense: 3\n- {last}", "[4]", f"train: {{loss: {loss}}}\n") == found


def test_without_training_no_loss_is_meant() -> None:
    assert codes("- dense: 3\n- relu", "[4]") == []


def test_images_of_a_folder_are_known_by_their_header(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    header = struct.pack(">4I", 0x803, 100, 20, 24)
    (tmp_path / "digits" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header))
    text = (
        "netspec: 1\ninput: [28, 28, 1]\nlayers: [flatten, dense: 10]\n"
        "train: {data: {idx: digits}, preprocess: [{divide: 255}], batch: 101}\n"
    )
    found = lint(Source(str(tmp_path / "spec.yaml"), text))
    assert [d.code for d in found] == ["NS502", "NS515"]
    assert found[0].message == "data 'idx' gives 20x24x1, but the input is 28x28x1: 20x24 pixels, not 28x28"
    assert found[0].help_text == "write input: [20, 24, 1]"
    outside = text.replace("idx: digits", "idx: ../digits")
    (tmp_path / "specs").mkdir()
    assert lint(Source(str(tmp_path / "specs" / "spec.yaml"), outside)) == []


@pytest.mark.parametrize("data", [b"", b"\0\0\x08\x03", struct.pack(">4I", 0x801, 1, 2, 3)])
def test_a_header_that_is_none_says_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    text = "netspec: 1\ninput: [4]\nlayers: [{dense: 10}]\ntrain: {data: {idx: .}, preprocess: [{divide: 255}]}\n"
    assert lint(Source(str(tmp_path / "spec.yaml"), text)) == []


def test_portability_is_told_once() -> None:
    conv = "- conv: {filters: 4, kernel: 3, stride: 2, padding: same}\n- relu\n"
    (found,) = findings(conv * 3)
    assert found.code == "NS602"
    assert "and 2 more" in found.message
    assert codes("- max_pool: {size: 3, stride: 2, padding: same}") == []
    assert codes("- max_pool: {size: 3, stride: 2, round: ceil}", "[17, 17, 3]") == []
    assert codes("- lrn\n- relu") == []


def test_a_projection_to_one_pixel_keeps_its_window() -> None:
    assert codes("- conv: {filters: 4, kernel: 16}\n- relu\n- conv: {filters: 4, kernel: 1}\n- relu") == []


def test_stochastic_depth_may_stand_before_a_norm() -> None:
    assert codes("- dropout: {rate: 0.2, drop: sample}\n- batch_norm\n- relu") == []
    assert codes("- dropout: 0.2\n- relu\n- batch_norm\n- relu") == ["NS305"]


def test_what_a_misspelt_set_would_hold_is_no_finding() -> None:
    rest = "train: {data: {mnits: {}}, preprocess: [{divide: 255}]}\n"
    assert codes("- flatten\n- dense: 10\n- softmax", "[32, 32, 3]", rest) == ["NS101"]


def test_an_archive_of_bytes_is_known_by_its_header(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x_train=np.zeros((20, 4, 4, 1), np.uint8), y_train=np.zeros(20, np.int32))
    np.savez(tmp_path / "float.npz", x_train=np.zeros((20, 4, 4, 1), np.float32))
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "set.npz").read_bytes()[:60])
    text = "netspec: 1\ninput: [4, 4, 1]\nlayers: [flatten, {dense: 10}]\ntrain: {data: {npz: FILE}, batch: 21}\n"

    def codes(file: str) -> list[str]:
        return [found.code for found in lint(Source(str(tmp_path / "a.yaml"), text.replace("FILE", file)))]

    assert codes("set.npz") == ["NS516", "NS515"]
    assert codes("float.npz") == ["NS515"]
    assert codes("damaged.npz") == codes("missing.npz") == []


@pytest.mark.parametrize(
    ("layers", "advice"),
    [
        ("[flatten, {dense: 12}]", "write dense: 10"),
        ("[flatten, {dense: {units: 12}}]", "write units: 10"),
        ("[flatten, {dense: $classes}]", "write classes: 10 in vars"),
        ("[flatten, {dense: 12}, batch_norm, softmax]", "write dense: 10"),
        ("[{conv: {filters: 12, kernel: 3}}, batch_norm, global_avg_pool]", "write filters: 10"),
        ("[{conv: {filters: 3, kernel: 3}}, relu, flatten]", "let the last layer give 10"),
    ],
)
def test_other_classes_are_mended_where_the_number_is_written(layers: str, advice: str) -> None:
    text = f"netspec: 1\nvars: {{classes: 12}}\ninput: [28, 28, 1]\nlayers: {layers}\ntrain: {{data: mnist}}\n"
    (found,) = (each for each in lint(Source("s.yaml", text)) if each.code == "NS501")
    assert found.help_text == advice
    assert found.span.line == 4
