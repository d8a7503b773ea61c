"""What people write who come from other tools, or from YAML 1.1: each is told with what to write instead."""

from __future__ import annotations

import textwrap

import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.lint.fixes import mend
from netspec.syntax.source import Source


def findings(layer: str, rest: str = "") -> list[Diagnostic]:
    text = f"netspec: 1\ninput: [8, 8, 3]\nlayers:\n  - {layer}\n  - relu\n{textwrap.dedent(rest)}"
    return [found for found in lint(Source("spec.yaml", text)) if found.severity != "info"]


@pytest.mark.parametrize(
    ("layer", "advice"),
    [
        ("conv: {filters: 4, kernel: 3, activation: relu}", "an activation is a layer of its own"),
        ("conv: {in_channels: 3, filters: 4, kernel: 3}", "how many channels come in is worked out"),
        ("conv: {filters: 4, kernel: 3, input_shape: [8, 8, 3]}", "stands once, as 'input:'"),
        ("depthwise_conv: {filters: 4, kernel: 3}", "with 'multiplier: 2' twice as many"),
        ("conv: {filters: 4, kernel: 3, bias: no}", "did you mean false?"),
        ("conv: {filters: 4, kernel: 3, bias: 'yes'}", "did you mean true?"),
        ("conv: {filters: 4, kernel: 3x5}", "did you mean [3, 5]?"),
        ("conv: {filters: '4', kernel: 3}", "did you mean 4?"),
        ("conv: {filters: 4 maps, kernel: 3}", "did you mean 4?"),
        ("conv: {filters: 4, kernel: 3, padding: SAME}", "did you mean 'same'?"),
        ("dropout: 50", "50 per cent is 0.5"),
        ("dropout: 50%", "did you mean 0.5?"),
        ("flatten: {colour: 1}", "'flatten' takes no attributes"),
        ("dropout:0.5", "write 'dropout: 0.5'"),
        ("dropout 0.5", "write 'dropout: 0.5'"),
    ],
)
def test_what_to_write_instead(layer: str, advice: str) -> None:
    (found,) = findings(layer)
    assert found.span.line == 4
    assert advice in (found.help_text or "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("loss: categorical_crossentropy", "cross_entropy"),
        ("loss: {mse: {}}", "mean_squared_error"),
        ("optimizer: momentum", "sgd"),
        ("lr: {reduce_lr_on_plateau: 0.1}", "plateau"),
    ],
)
def test_names_of_other_tools(written: str, meant: str) -> None:
    (found,) = findings("max_pool: 2", f"train:\n  {written}\n  validation: 0.1\n")
    assert (found.code, found.help_text) in [(code, f"did you mean '{meant}'?") for code in ("NS101", "NS109")]


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("class_weights: balanced", "it belongs to the loss: 'loss: {cross_entropy: {class_weights: balanced}}'"),
        ("augment: [{random_shift: 2}]", "a share of the side is wanted, not pixels: 0.1 is a tenth"),
    ],
)
def test_what_to_write_under_train(written: str, advice: str) -> None:
    (found,) = findings("max_pool: 2", f"train:\n  {written}\n")
    assert found.help_text == advice


def test_a_rate_in_words() -> None:
    (found,) = findings("max_pool: 2", "train: {lr: fast}\n")
    assert found.message.startswith("'lr' must be one of a number, constant, ")
    assert found.help_text == "write a learning rate, such as 0.01, or a schedule, such as {cosine: {peak: 0.01}}"


@pytest.mark.parametrize(("dialect", "meant"), [("tensorflow", "keras"), ("pytorch", "torch")])
def test_dialects_by_their_long_names(dialect: str, meant: str) -> None:
    (found,) = lint(Source("s.yaml", f"netspec: 1\ndialect: {dialect}\ninput: [8]\nlayers: [relu]\n"))
    assert found.fix is not None
    assert found.help_text == f"did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("layer", "mended"),
    [
        ("conv: {filters: '4', kernel: 3x5, bias: no}", "conv: {filters: 4, kernel: [3, 5], bias: false}"),
        ("dropout:0.5", "dropout: 0.5"),
    ],
)
def test_the_fix_writes_it(layer: str, mended: str) -> None:
    text = "netspec: 1\ninput: [8, 8, 3]\nlayers:\n  - {}\n  - relu\n"
    found = mend(Source("s.yaml", text.format(layer)), lint)
    assert found.source.text == text.format(mended)
    assert [one.code for one in found.diagnostics if one.severity != "info"] == []
    assert mend(found.source, lint).fixes == 0


@pytest.mark.parametrize("written", ["0,001", "'0.001'"])
def test_a_rate_that_is_no_number(written: str) -> None:
    (found,) = findings("max_pool: 2", f"train: {{lr: {written}}}\n".replace("{lr: 0,001}", "\n  lr: 0,001"))
    assert found.help_text == "write 0.001, with a point and without quotes"


def test_data_that_does_not_ship() -> None:
    (found,) = findings("max_pool: 2", "train: {data: imagenet}\n")
    assert found.code == "NS109"
    assert (found.help_text or "").startswith("data of your own is read by {folder: PATH}, ")


@pytest.mark.parametrize(
    ("layer", "code", "advice"),
    [
        ("conv: {filters: 4, kernel: (5, 5)}", "NS102", "a list is written in brackets, such as [5, 5]"),
        ("add: [conv, {layers: []}]", "NS102", "a branch is a list of layers, as in [relu]; "),
        ("conv: [{filters: 4}, {kernel: 3}]", "NS102", "write its keys without '- ' before them: a mapping is wanted"),
    ],
)
def test_what_is_written_otherwise_elsewhere(layer: str, code: str, advice: str) -> None:
    text = f"netspec: 1\ninput: [8, 8, 3]\nlayers:\n  - {layer}\n  - relu\n"
    advices = [found.help_text or "" for found in lint(Source("s.yaml", text)) if found.code == code]
    assert any(found.startswith(advice) for found in advices)


@pytest.mark.parametrize("text", ["- conv: 3\n- relu\n", "model = Sequential()\n"])
def test_what_is_no_spec_at_all(text: str) -> None:
    (found,) = lint(Source("s.yaml", text))
    assert found.message.startswith("a mapping of keys was expected, but got ")
    assert found.help_text == "begin with 'netspec: 1', 'input:' and 'layers:'"
