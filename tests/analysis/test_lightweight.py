"""What lighter forms take: figures worked out by hand, and the same forms written out and counted."""

from __future__ import annotations

import pytest

from netspec.analysis.cost import cost
from netspec.analysis.explain import find_layer
from netspec.analysis.lightweight import LighterForm, int_of, lighter_forms
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec


def spec_of(layers: str, shape: str = "[14, 14, 512]") -> Spec:
    return load_spec(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}"))


def forms(layers: str, name: str, shape: str = "[14, 14, 512]") -> dict[str, LighterForm]:
    graph = spec_of(layers, shape).graph
    node = find_layer(graph, name)
    assert node is not None
    return {form.name: form for form in lighter_forms(graph, node)}


def figures(form: LighterForm) -> tuple[int, int, int, int]:
    return int_of(form.params), form.params_now, int_of(form.macs), form.macs_now


def test_the_layer_that_mobilenets_is_about() -> None:
    """Table 4 of the paper compares such layers: 14x14x512, 3x3, 512 filters."""
    found = forms("  - conv: {filters: 512, kernel: 3, padding: same, bias: false}\n", "conv")["depthwise-separable"]
    assert figures(found) == (266_752, 2_359_296, 52_283_392, 462_422_016)
    assert found.share == pytest.approx(1 / 512 + 1 / 9)
    assert found.written == "separable_conv: {filters: 512, kernel: 3}"
    assert found.remark.startswith("1/c_out + 1/kernel cells = 1/512 + 1/9 = 0.113 of the MACs")


def test_the_large_windows_of_inception() -> None:
    """17x17, 7x7 in 192 channels: a column and a row take 2/7, three 3x3 take 27/49."""
    found = forms("  - conv: {filters: 192, kernel: 7, padding: same, bias: false}\n", "conv", "[17, 17, 192]")
    assert figures(found["factorised"]) == (516_096, 1_806_336, 149_151_744, 522_031_104)
    assert figures(found["3 of 3x3"]) == (995_328, 1_806_336, 287_649_792, 522_031_104)
    assert figures(found["bottleneck"])[0] == 192 * 48 + 49 * 48 * 48 + 48 * 192
    assert list(found) == ["depthwise-separable", "bottleneck", "factorised", "3 of 3x3"]


def test_a_dense_layer_behind_a_flattened_image() -> None:
    found = forms("  - flatten\n  - dropout: 0.5\n  - dense: 4096\n", "dense", "[7, 7, 512]")["global pooling"]
    assert figures(found) == (2_101_248, 102_764_544, 2_097_152, 102_760_448)
    assert found.remark.startswith("1/49 of the weights")


@pytest.mark.parametrize("layers", ["  - conv: {filters: 8, kernel: 1}\n", "  - depthwise_conv: 3\n", "  - relu\n"])
def test_layers_that_are_light_as_they_are(layers: str) -> None:
    name = layers.removeprefix("  - ").split(":")[0].strip()
    assert forms(layers, name) == {}


WRITTEN = {
    "depthwise-separable": "  - separable_conv: {filters: 16, kernel: 5@}\n",
    "factorised": "  - conv: {filters: 16, kernel: [5, 1]@}\n  - conv: {filters: 16, kernel: [1, 5]@}\n",
    "2 of 3x3": "  - conv: {filters: 16, kernel: 3@}\n  - conv: {filters: 16, kernel: 3@}\n",
    "bottleneck": "  - conv: {filters: 4, kernel: 1}\n  - conv: {filters: 4, kernel: 5@}\n"
    "  - conv: {filters: 16, kernel: 1}\n",
}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_form_written_out_takes_what_was_said(name: str, padding: str) -> None:
    more = f", padding: {padding}"
    form = forms(f"  - conv: {{filters: 16, kernel: 5{more}}}\n", "conv", "[12, 9, 16]")[name]
    counted = cost(spec_of(WRITTEN[name].replace("@", more), "[12, 9, 16]").graph)
    assert (int_of(form.params), int_of(form.macs)) == (counted.params, counted.macs)
