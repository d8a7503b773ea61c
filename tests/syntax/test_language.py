"""Every example of the language, sentence by sentence: what is said of the form of a spec is so."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

TINY_RESNET = """\
netspec: 1                       # language version, required
name: tiny_resnet
doc: Small residual network for 32x32 colour images.
vars: {classes: 10, width: 16}   # may be overridden: --set classes=100
input: [32, 32, 3]               # height, width, channels; the batch is chosen at compile time

blocks:                          # a block is a layer list with arguments; it is used like an op
  conv_bn:
    args: {filters: required, kernel: 3, stride: 1}
    layers:
      - conv: {filters: $filters, kernel: $kernel, stride: $stride, padding: same, bias: false}
      - batch_norm
  basic:
    args: {filters: required, stride: 1}
    vars: {project: $(stride != 1 or channels != filters)}   # channels: how many come in
    layers:
      - add:                     # branches run on the same input and are summed
          body:
            - conv_bn: {filters: $filters, stride: $stride}
            - relu
            - conv_bn: $filters  # a scalar or a list goes to the first argument
          shortcut:              # a branch with no layer left is the identity
            - conv_bn: {filters: $filters, kernel: 1, stride: $stride}
              when: $project
      - relu

layers:
  - conv_bn: $width
  - relu
  - basic: $width
    repeat: 3
  - basic: {filters: $(2 * width), stride: $(2 if i == 0 else 1)}
    repeat: 3                    # i counts the copies from 0
    name: stage2
  - global_avg_pool
  - dropout: 0.1
  - dense: $classes

train:
  data: cifar10
  preprocess: [{divide: 255}, {normalize: {mean: [0.491, 0.482, 0.447], std: [0.247, 0.243, 0.262]}}]
  augment: [{random_crop: {padding: 4}}, {random_flip: horizontal}]
  loss: {cross_entropy: {label_smoothing: 0.1}}
  optimizer: {sgd: {momentum: 0.9, nesterov: true, weight_decay: 5.0e-4}}
  lr: {cosine: {peak: 0.1, warmup_epochs: 1}}
  epochs: 10
  batch: 128
  seed: 1

expect:                          # checked by the linter: a spec can carry its own test
  output: [$classes]
  params: {max: 120k}            # an exact number, or min and max
  shapes: {stage2: [16, 16, 32]}
"""


def test_the_example_that_shows_most_of_it(read: Read) -> None:
    spec = read(TINY_RESNET).network
    slots = [slot.name for slot in spec.graph.slots]
    assert "stage2/0/add/body/conv_bn/conv.weight" in slots
    assert "stage2/0/add/shortcut/conv_bn/conv.weight" in slots
    assert "stage2/1/add/shortcut/conv_bn/conv.weight" not in slots
    assert spec.graph.heads["main"].type.shape == (10,)
    # 16 filters, then three blocks of 16, then three of 32, the first with a projection, counted by hand:
    convolutions = 9 * 3 * 16 + 6 * 9 * 16 * 16 + 9 * 16 * 32 + 5 * 9 * 32 * 32 + 16 * 32
    norms = 4 * (16 + 6 * 16 + 6 * 32 + 32)
    assert sum(_size(slot.param.shape) for slot in spec.graph.slots) == convolutions + norms + 32 * 10 + 10


def _size(shape: tuple[int, ...]) -> int:
    return shape[0] * _size(shape[1:]) if shape else 1


def test_its_vars_may_be_overridden(read: Read) -> None:
    assert read(TINY_RESNET, ["classes=100"]).network.graph.heads["main"].type.shape == (100,)


FORMS = {
    "a bare op": "- relu",
    "an op with its main attribute": "- dropout: 0.5",
    "a main attribute that is a list": "- max_pool: [1, 2]",
    "an op with a mapping": "- conv: {filters: 8, kernel: 3}",
    "a bare op ends in a colon where something stands beside it": "- relu:\n  name: bent",
    "a group": "- layers: [relu, tanh]",
    "branches in a mapping": "- add: {body: [relu], rest: []}",
    "branches in a list": "- concat: [[relu], []]",
    "a merge of named outputs": "- relu:\n  name: a\n- tanh:\n  name: b\n- add:\n  from: [a, b]",
    "a difference": "- relu:\n  name: a\n- tanh:\n  name: b\n- subtract:\n  from: [a, b]",
    "concat along another axis": "- concat: {axis: height, a: [], b: [relu]}",
    "multiply by a gate": "- multiply: {x: [], gate: [global_avg_pool, sigmoid]}",
    "multiply by a mask": "- multiply: {x: [], mask: [{conv: {filters: 1, kernel: 1}}, sigmoid]}",
    "the largest and the mean": "- max: [[relu], [tanh]]\n- mean: [[relu], [tanh]]",
    "when on a layer": "- relu:\n  when: $(channels > 3)",
    "when on a branch": "- add: {a: [], b: {when: $(1 > 2), layers: [relu]}}",
    "repeat": "- conv: {filters: 4, kernel: 1}\n  repeat: 3",
    "share": "- conv: {filters: 4, kernel: 3, padding: same}\n  name: a\n"
    "- conv: {filters: 4, kernel: 3, padding: same}\n  share: a",
    "freeze": "- conv: {filters: 4, kernel: 3}\n  freeze: true",
    "an initialiser": "- conv: {filters: 4, kernel: 3}\n  init: he",
    "an initialiser with attributes": "- conv: {filters: 4, kernel: 3}\n  init: {gaussian: {std: 0.01}}",
    "a fixed kernel": "- conv: {filters: 1, kernel: 1, bias: false}\n  init: {values: [1, 2, 3, 4]}\n  freeze: true",
    "one initialiser per parameter": "- conv: {filters: 4, kernel: 3}\n  init: {weight: lecun, bias: ones}",
    "like": "- relu:\n  name: a\n- max_pool: 2\n- upsample: {like: a}\n- pad: 2\n- crop: {like: a}",
    "padding in all its forms": "".join(
        f"- conv: {{filters: 4, kernel: 3, padding: {padding}}}\n"
        for padding in ("valid", "same", "full", "1", "[1, 2]", "[[0, 1], [1, 0]]")
    ),
    "an expression": "- conv:\n    filters: $(multiple(1.5 * channels, 8))\n    kernel: 3",
    "an expression with a comma in quotes": "- conv: {filters: '$(max(channels, 8))', kernel: 3}",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_layer(read_layers: Read, form: str) -> None:
    reading = read_layers(FORMS[form], "[8, 8, 4]")
    assert reading.codes == [], reading.messages
    assert reading.network.complete


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$(2 * x)", 10),
        ("$x", 5),
        ("$(x // 2)", 2),
        ("$(x % 3 + 2 ** 3)", 10),
        ("$(1 if x > 3 and not false else 2)", 1),
        ("'$(min(x, 3, 4))'", 3),
        ("$(floor(x / 2))", 2),
        ("$(ceil(x / 2))", 3),
        ("$(round(x / 2))", 3),
        ("$(abs(-x))", 5),
        ("'$(multiple(33, 8))'", 32),
        ("'$(multiple(3, 8))'", 8),
        ("'$(multiple(35, 16))'", 32),
        ("'$(multiple(0.35 * 32, 8))'", 16),
    ],
)
def test_expressions(read: Read, written: str, value: int) -> None:
    spec = read(f"netspec: 1\nvars: {{x: 5}}\ninput: [$x]\nlayers: [{{dense: {written}}}]\n").network
    assert spec.graph.heads["main"].type.shape == (value,)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("- conv: {filters: $(max(channels, 8)), kernel: 3}", ["NS115"]),  # a comma wants quotes
        ("- global_avg_pool\n- dense: $(1 / 3)", ["NS108"]),  # a value that must be whole and is not
        ("- relu:\n  from: later\n- tanh:\n  name: later", ["NS206"]),  # of layers that come earlier
        ("- subtract: {a: [], b: []}", ["NS211"]),  # takes no branches
        ("- add: {a: [{conv: {filters: 3, kernel: 1}}], b: []}", ["NS203"]),  # shapes must be equal
        ("- conv: {filters: 4, kernel: 3, name: deep}", ["NS118"]),  # indented too deep
    ],
)
def test_what_the_form_does_not_allow(read_layers: Read, text: str, codes: list[str]) -> None:
    assert read_layers(text, "[8, 8, 4]").codes == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a: no", []),
        ("a: 1e-3", []),
        ("a: 012", []),
        ("a: 1\n  a: 2", ["NS002"]),
        ("<<: {b: 1}", ["NS009"]),
        ("a: !!python/object/apply:os.system [ls]", ["NS003"]),
    ],
)
def test_yaml(read: Read, text: str, codes: list[str]) -> None:
    found = read(f"netspec: 1\nvars:\n  {text}\ninput: [4]\nlayers: [relu]\n").codes
    assert [code for code in found if code not in ("NS117", "NS119")] == codes


def test_yaml_values(read: Read) -> None:
    text = "netspec: 1\nvars: {a: no, b: 1e-3, c: 012, d: 5e-4}\ninput: [4]\nlayers: [relu]\n"
    assert read(text).spec.vars == {"a": "no", "b": 0.001, "c": 12, "d": 0.0005}


def test_every_key_of_train(read: Read) -> None:
    text = """\
    netspec: 1
    input: [8, 8, 1]
    layers: [flatten, {dense: 10}]
    train:
      data: digits
      validation: 0.1
      preprocess: [{divide: 16}]
      loss: cross_entropy
      metrics: [accuracy]
      optimizer: adam
      lr: {step: {start: 0.1, every: 30, factor: 0.1}}
      epochs: 3
      batch: 8
      seed: 4
      precision: float32
      math: exact
      on_nan: stop
    """
    recipe = read(textwrap.dedent(text)).network.recipe
    assert (recipe.validation, recipe.epochs, recipe.batch, recipe.seed) == (0.1, 3, 8, 4)
    assert repr(recipe.lr) == "step(start=0.1, every=30)"
