"""Prototxts as specs in dialect caffe: the figures are those of the zoo, what is not understood is told at its line."""

from __future__ import annotations

import math

import pytest
from prototxts import ALEXNET, CIFAR10_QUICK, FIRE, LENET, RESNET_BLOCK

import netspec
from netspec.diagnostics import SpecError
from netspec.interop.caffe.network import ImportedCaffe, import_prototxt
from netspec.lint.engine import lint
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec

HEAD = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }\n'


def network(text: str, **sizes: tuple[int, ...]) -> tuple[ImportedCaffe, Spec]:
    found = import_prototxt(Source("net.prototxt", text), sizes)
    source = Source("net.yaml", found.written.text)
    assert [each for each in lint(source) if each.severity == "error"] == []
    return found, load_spec(source)


def parameters(spec: Spec) -> int:
    return sum(math.prod(slot.param.shape) for slot in spec.graph.slots)


def layers(spec: Spec) -> list[tuple[str, tuple[int, ...]]]:
    return [(node.op.name, node.output.type.shape) for node in spec.graph.nodes]


@pytest.mark.parametrize(("text", "name"), [(CIFAR10_QUICK, "cifar10_quick"), (ALEXNET, "alexnet")])
def test_networks_of_the_zoo(text: str, name: str) -> None:
    _, spec = network(text)
    known = netspec.load(f"zoo:{name}").read
    assert parameters(spec) == parameters(known)
    weighted = [each for each in layers(spec) if each[0] in ("conv", "dense", "max_pool", "avg_pool", "lrn")]
    assert weighted == [each for each in layers(known) if each[0] in ("conv", "dense", "max_pool", "avg_pool", "lrn")]


def test_lenet_reads_as_a_person_would_write_it() -> None:
    found, spec = network(LENET, data=(28, 28, 1))
    assert parameters(spec) == 431_080  # 520 + 25,050 + 400,500 + 5,010
    assert [line.split("  #")[0].rstrip() for line in found.written.text.splitlines()][2:] == [
        "netspec: 1",
        "name: LeNet",
        "dialect: caffe",
        "",
        "input: [28, 28, 1]",
        "",
        "layers:",
        "  - conv: {filters: 20, kernel: 5}",
        "    name: conv1",
        "    init: {weight: {lecun: {distribution: uniform}}}",
        "  - max_pool: 2",
        "  - conv: {filters: 50, kernel: 5}",
        "    name: conv2",
        "  - max_pool: 2",
        "  - flatten",
        "  - dense: 500",
        "    name: ip1",
        "  - relu",
        "  - dense: 10",
        "    name: ip2",
    ]
    assert [each.code for each in found.told] == ["NS975"]
    assert "what 1 layer says of the rates and decays of single parameters is left out" in found.told[0].message


def test_sides_that_only_the_data_has_are_asked_for() -> None:
    with pytest.raises(SpecError) as caught:
        network(LENET)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line) == ("NS971", 4)
    assert found.help_text == "give its 3 sides, channels last: --input data=224,224,3"


def test_sides_that_contradict_the_text_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        network(CIFAR10_QUICK, data=(28, 28, 3))
    (found,) = caught.value.diagnostics
    assert found.message == "input 'data' of the model is [32, 32, 3], channels last, but --input gives it [28, 28, 3]"


def test_a_misspelt_type_is_guessed() -> None:
    with pytest.raises(SpecError) as caught:
        network(HEAD + 'layer { name: "r" type: "Relu" bottom: "data" top: "r" }\n')
    (found,) = caught.value.diagnostics
    assert found.message.endswith("netspec has no counterpart of the type 'Relu'; did you mean 'ReLU'?")


@pytest.mark.parametrize("given", [(28, 28), (1, 1, 28, 28)])
def test_sides_of_another_number_of_axes_are_refused(given: tuple[int, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        network(LENET, data=given)
    (found,) = caught.value.diagnostics
    sides = ", ".join(map(str, given))
    assert found.message == f"input 'data' of the model is [?, ?, ?], channels last, but --input gives it [{sides}]"


def test_arrays_of_hdf5_may_have_any_number_of_axes() -> None:
    text = 'layer { name: "d" type: "HDF5Data" top: "data" top: "label" }\n'
    text += 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }\n'
    _, spec = network(text, data=(20,))
    assert parameters(spec) == 20 * 3 + 3


def test_a_window_that_does_not_fit_is_told_with_its_input() -> None:
    text = HEAD + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 90 } }\n'
    with pytest.raises(SpecError) as caught:
        network(text)
    assert "size 90 does not fit the 8x8x4 input of 'p'" in caught.value.diagnostics[0].message


def test_a_fire_module_of_squeezenet() -> None:
    _, spec = network(FIRE)
    fire = (64 * 16 + 16) + (16 * 64 + 64) + (16 * 9 * 64 + 64)
    assert parameters(spec) == fire + 128 * 10 + 10
    assert ("concat", (56, 56, 128)) in layers(spec)
    assert ("global_avg_pool", (128,)) in layers(spec)  # and no flatten behind it


def test_batch_norm_and_scale_are_one_layer() -> None:
    found, spec = network(RESNET_BLOCK)
    norms = [node for node in spec.graph.nodes if node.op.name == "batch_norm"]
    assert len(norms) == 4
    assert all(node.attrs.scale and node.attrs.center and node.attrs.momentum == 0.999 for node in norms)
    convolutions = 64 * 256 + 64 * 64 + 9 * 64 * 64 + 64 * 256
    assert parameters(spec) == convolutions + 4 * (256 + 64 + 64 + 256)
    assert "    from: [bn2a_branch1, bn2a_branch2c]" in found.written.text.splitlines()


@pytest.mark.parametrize(
    ("layer", "line", "ops"),
    [
        ('type: "ReLU" relu_param { negative_slope: 0.1 }', "leaky_relu: 0.1", ["leaky_relu"]),
        ('type: "TanH"', "tanh", ["tanh"]),
        ('type: "ELU" elu_param { alpha: 0.5 }', "elu: 0.5", ["elu"]),
        ('type: "PReLU"', "prelu", ["prelu"]),
        ('type: "Power" power_param { scale: 2 }', "scale: 2", ["scale"]),
        ('type: "BatchNorm"', "batch_norm: {scale: false, center: false}", ["batch_norm"]),
        ('type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }', "across: space", ["lrn"]),
        ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }', "max_pool: {size: 3, stride: 2}", ["max_pool"]),
        (
            'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 round_mode: FLOOR }',
            "avg_pool: {size: 3, stride: 2, round: floor}",
            ["avg_pool"],
        ),
        (
            'type: "Convolution" convolution_param '
            "{ num_output: 4 group: 4 kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 }",
            "depthwise_conv: {kernel: [3, 1], padding: same}",
            ["depthwise_conv"],
        ),
        (
            'type: "Convolution" convolution_param '
            "{ num_output: 6 kernel_size: 3 dilation: 2 pad: 2 bias_term: false }",
            "conv: {filters: 6, kernel: 3, padding: same, dilation: 2, bias: false}",
            ["conv"],
        ),
        (
            'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 }',
            "conv_transpose: {filters: 2, kernel: 4, stride: 2, padding: same}",
            ["conv_transpose"],
        ),
        ('type: "Flatten"', "flatten", ["flatten"]),
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', "flatten", ["flatten"]),
        (
            'type: "Convolution" param { lr_mult: 0 } convolution_param { num_output: 2 kernel_size: 1 }',
            "freeze: true",
            ["conv"],
        ),
    ],
)
def test_single_layers(layer: str, line: str, ops: list[str]) -> None:
    found, spec = network(f'{HEAD}layer {{ name: "a" bottom: "data" top: "a" {layer} }}')
    assert line in found.written.text
    assert [node.op.name for node in spec.graph.nodes] == ops


def test_several_losses_become_heads() -> None:
    text = HEAD + "".join(
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "data" top: "{name}" '
        "inner_product_param { num_output: 10 } }\n"
        f'layer {{ name: "loss_{name}" type: "SoftmaxWithLoss" bottom: "{name}" bottom: "label" top: "loss_{name}" '
        f"loss_weight: {weight} }}\n"
        for name, weight in (("aux", 0.3), ("last", 1))
    )
    _, spec = network(text)
    assert list(spec.graph.heads) == ["main", "loss_aux"]
    assert (spec.recipe.heads["loss_aux"].weight, spec.recipe.heads["loss_aux"].train_only) == (0.3, True)


def test_files_of_the_first_version() -> None:
    text = (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2 weight_decay: 1 '
        "convolution_param < num_output: 4, kernel_size: 3 > }\n"
        'layers { name: "r" type: RELU bottom: "c" top: "c" }\n'
    )
    _, spec = network(text)
    assert layers(spec) == [("conv", (6, 6, 4)), ("relu", (6, 6, 4))]


def test_parameters_of_one_name_are_shared() -> None:
    text = HEAD + "".join(
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" param {{ name: "w" }} '
        "convolution_param { num_output: 4 kernel_size: 1 } }\n"
        for name, bottom in (("a", "data"), ("b", "a"))
    )
    found, spec = network(text)
    assert "    share: a" in found.written.text.splitlines()
    assert parameters(spec) == 4 * 4 + 4


@pytest.mark.parametrize(
    ("text", "code", "place", "said"),
    [
        ("layer {\n  name: }", "NS973", (2, 9), "a value was expected, but got '}'"),
        ("layer { name: 'a'", "NS973", (1, 18), "the name of a field or '}' was expected, but got the end of the file"),
        ("layer {\n  name %", "NS973", (2, 8), "this character has no place in a prototxt"),
        ("layer { name }", "NS973", (1, 9), "'name' is followed by neither ':' nor a message"),
        ("a { " * 40, "NS973", None, "messages are nested more than 20 deep"),
        ("", "NS973", (1, 1), "there is no layer in it"),
        (
            HEAD + 'layer { name: "s" type: "SPP" bottom: "data" top: "s" }',
            "NS974",
            (2, 25),
            "no counterpart of the type 'SPP'",
        ),
        (
            HEAD
            + 'layer { name: "c" type: "Convolution" bottom: "data" top: "c"\nconvolution_param { num_output: x } }',
            "NS973",
            (3, 33),
            "'num_output' wants a whole number, not 'x'",
        ),
        (
            HEAD + 'layer { name: "c" type: "Convolution" bottom: "data" top: "c"\n'
            "convolution_param { num_output: 2 kernel_size: 99 } }",
            "NS974",
            (2, 25),
            "",
        ),
        (
            HEAD + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p"\n'
            "  pooling_param { pool: STOCHASTIC kernel_size: 2 } }",
            "NS974",
            (3, 3),
            "it pools by STOCHASTIC",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, code: str, place: tuple[int, int] | None, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        import_prototxt(Source("net.prototxt", text), {})
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert place in (None, (found.span.line, found.span.column))
    assert said in found.message


def test_a_setting_without_words_is_told() -> None:
    text = (
        HEAD
        + 'layer { name: "d" type: "Dropout" bottom: "data" top: "d"\n dropout_param { dropout_ratio: 0.3 odd: 1 } }'
    )
    found, _ = network(text)
    assert [(each.code, each.span.line) for each in found.told] == [("NS975", 3)]
    assert found.told[0].message == "'odd' is left out of 'd': a spec has no words for it"
