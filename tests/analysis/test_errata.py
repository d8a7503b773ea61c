"""Common mistakes, with the examples of the texts in which they stand, and silence where nothing can go wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from netspec.analysis.errata import CATALOGUE, CommonMistake, common_mistakes
from netspec.core.declare import Declaration
from netspec.core.graph import Node, Value
from netspec.core.types import TensorType
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source


def mistakes(layer: str, shape: str) -> list[CommonMistake]:
    spec = load_spec(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n  - {layer}\n"))
    return list(common_mistakes(spec.graph.nodes[-1]))


def starting(found: list[CommonMistake], claim: str) -> CommonMistake:
    """The one mistake whose claim begins so."""
    (one,) = [mistake for mistake in found if mistake.claim.startswith(claim)]
    return one


@pytest.mark.parametrize(
    ("layer", "shape", "claim", "wrong", "why"),
    [
        # The first layer of LeNet-5, whose 122,304 connections are 156 parameters.
        (
            "conv: {filters: 6, kernel: 5}",
            "[32, 32, 1]",
            "(k·k + 1)·M·N = (5·5 + 1)·32·32",
            26_624,
            "(5·5·1 + 1)·6 = 156. With the output's sides one counts connections: 26·28·28·6 = 122,304",
        ),
        # The second convolution of a small Keras network: 32 channels in, 32 filters.
        (
            "conv: {filters: 32, kernel: 3}",
            "[112, 112, 32]",
            "((9·32) + 1)·32 = 289·32 = 9,247",
            9_247,
            "289·32 = 9,248",
        ),
        # Its first: height·width·filters is said to be the number of weights.
        (
            "conv: {filters: 32, kernel: 3}",
            "[224, 224, 3]",
            "height · width · filters = 3·3·32",
            288,
            "(3·3·3 + 1)·32 = 896",
        ),
        ("conv: {filters: 4, kernel: 1, bias: false}", "[8, 8, 3]", "1·1·3 = 3 weights", 3, "1·1·3·4 = 12"),
        (
            "conv: {filters: 16, kernel: 3, bias: false}",
            "[8, 8, 3]",
            "weights of shape",
            (3, 16, 3, 3),
            "= 3x3x3x16; in PyTorch [c_out, c_in/groups, k_h, k_w] = 16x3x3x3",
        ),
        (
            "conv: {filters: 4, kernel: 3}",
            "[8, 8, 4]",
            "y[m, n] = Σ h[j, k]·x[m − j, n − k]",
            None,
            "its window is not",
        ),
        (
            "conv: {filters: 4, kernel: 3, groups: 2}",
            "[8, 8, 4]",
            "(3·3·4 + 1)·4 = 148 parameters",
            148,
            "(3·3·2 + 1)·4 = 76",
        ),
        (
            "conv: {filters: 4, kernel: 3, stride: 2, padding: same}",
            "[224, 224, 3]",
            "`same` keeps the size: 224x224",
            (224, 224),
            "⌈n/s⌉ = ⌈224/2⌉ = 112",
        ),
        ("max_pool: {size: 2, padding: same}", "[7, 7, 3]", "`same` keeps the size: 7x7", (7, 7), "⌈7/2⌉ = 4"),
        (
            "conv: {filters: 4, kernel: 5, padding: same}",
            "[28, 28, 1]",
            "`same` is a padding of 1: ⌊(28 + 2·1 − 5)/1⌋ + 1 = 26",
            (26, 26),
            "p = (k − 1)/2 = (5 − 1)/2 = 2 keeps 28",
        ),
        (
            "conv: {filters: 4, kernel: 4, padding: same}",
            "[28, 28, 1]",
            "an even window cannot keep the size",
            27,
            "`same` adds k − 1 = 3 in all, one more behind than before, and keeps 28",
        ),
        # AlexNet: 224 is printed, 227 is what its numbers want.
        (
            "conv: {filters: 96, kernel: 11, stride: 4}",
            "[224, 224, 3]",
            "(n + 2p − k)/s + 1 = 54.25, so 55",
            55,
            "no window reads the last 1 of the 224. A side of 227 would give 55 exactly",
        ),
        (
            "conv: {filters: 4, kernel: 3, stride: 2, padding: 1}",
            "[8, 8, 3]",
            "a stride cannot take the place of pooling",
            None,
            "arXiv:1412.6806",
        ),
        # GoogLeNet's first pool: 112 becomes 56 only if rounded up.
        (
            "max_pool: {size: 3, stride: 2, round: ceil}",
            "[112, 112, 64]",
            "pools round down: ⌊(112 − 3)/2⌋ + 1 = 55",
            55,
            "56, as Caffe does",
        ),
        (
            "avg_pool: {size: 3, stride: 2}",
            "[112, 112, 64]",
            "⌈(112 − 3)/2⌉ + 1 = 56, as in Caffe",
            56,
            "PyTorch do: 55",
        ),
        (
            "max_pool: {size: 3, stride: 2, padding: 1}",
            "[112, 112, 64]",
            "⌊(w − F)/s⌋ + 1 = ⌊(112 − 3)/2⌋ + 1 = 55",
            55,
            "112 + 1 + 1 cells give 56",
        ),
        # A million pixels and a hundred units, which the text rounds to 100 million.
        (
            "dense: 100",
            "[1000000]",
            "n_in·n_out = 1000000·100 = 100,000,000",
            100_000_000,
            "(1000000 + 1)·100 = 100,000,100",
        ),
        ("dense: 10", "[84]", "n_in·(n_out + 1) = 84·(10 + 1) = 924", 924, "(84 + 1)·10 = 850"),
        (
            "batch_norm",
            "[112, 112, 32]",
            "all 128 parameters are trained",
            128,
            "64 numbers; the moving mean",
        ),
        ("softmax", "[10]", "softmax(z)_t = e^z_i", None, "each of the 10 numbers lies strictly between 0 and 1"),
        ("relu", "[10]", "relu presses its output", None, "[0, ∞)"),
    ],
)
def test_what_is_found_in_print(layer: str, shape: str, claim: str, wrong: Any, why: str) -> None:
    mistake = starting(mistakes(layer, shape), claim)
    assert mistake.wrong == wrong
    assert why in mistake.why


@pytest.mark.parametrize(
    ("layer", "shape", "claim"),
    [
        ("conv: {filters: 32, kernel: 3, bias: false}", "[8, 8, 32]", "((9·32)"),
        ("conv: {filters: 32, kernel: 3}", "[8, 8, 1]", "height · width"),
        ("conv: {filters: 3, kernel: 3}", "[8, 8, 3]", "weights of shape"),
        ("conv: {filters: 3, kernel: 1}", "[8, 8, 3]", "y[m, n]"),
        ("conv: {filters: 3, kernel: 3, padding: same}", "[8, 8, 3]", "`same`"),
        ("conv: {filters: 3, kernel: 5}", "[8, 8, 3]", "`same`"),
        ("conv: {filters: 3, kernel: 3, stride: 2}", "[9, 9, 3]", "(n + 2p − k)"),
        ("max_pool: 2", "[8, 8, 3]", ""),
        ("max_pool: {size: 2, round: ceil}", "[8, 8, 3]", "pools round"),
        ("dense: {units: 4, bias: false}", "[5]", ""),
        ("dense: 5", "[5]", "n_in·(n_out"),
        ("tanh", "[5]", ""),
        ("softmax", "[1]", ""),
    ],
)
def test_silence_where_the_wrong_form_gives_the_same(layer: str, shape: str, claim: str) -> None:
    assert [m for m in mistakes(layer, shape) if m.claim.startswith(claim)] == []


def stand_in(op: str, shape: tuple[int, ...], out: tuple[int, ...], **attributes: Any) -> Node:
    """A layer of an op that need not be installed."""
    kind = type("StandIn", (SimpleNamespace,), {"declaration": Declaration("op", op, None, "", True, (), object, "")})
    return Node(kind(**attributes), (Value("x", TensorType(shape)),), (Value("y", TensorType(out)),), op)


@pytest.mark.parametrize("kernel", [3, (3, 3)])
def test_thirty_nine_wants_its_factor(kernel: Any) -> None:
    # Three channels to four: 3·3·3 + 1·1·3 is printed as 39.
    node = stand_in("separable_conv", (8, 8, 3), (6, 6, 4), filters=4, kernel=kernel, multiplier=1)
    (mistake,) = common_mistakes(node)
    assert mistake.claim == "3·3·3 + 1·1·3 = 30 weights"
    assert mistake.wrong == 30
    assert mistake.why.endswith("3·3·3 + 1·1·3·4 = 39")


def test_local_response_normalisation_takes_no_maximum() -> None:
    node = stand_in("lrn", (8, 8, 3), (8, 8, 3), size=5, alpha=1e-4, beta=0.75, k=2.0)
    (mistake,) = common_mistakes(node)
    assert "takes the largest of 5 neighbouring channels" in mistake.claim
    assert "(2.0 + 0.0001·Σx²)^0.75" in mistake.why


def test_a_transposed_convolution_is_no_inverse() -> None:
    (mistake,) = common_mistakes(stand_in("conv_transpose", (4, 4, 3), (8, 8, 3)))
    assert "brings back the shape, 8x8, not the numbers" in mistake.why


def test_the_catalogue_knows_ops_that_exist_or_will() -> None:
    assert {"conv", "dense", "batch_norm", "lrn", "separable_conv", "softmax"} <= set(CATALOGUE)
