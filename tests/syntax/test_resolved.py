"""The resolved spec is a spec again, with the same graph, recipe and expectations."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.graph import Graph
from netspec.diagnostics import Diagnostics
from netspec.syntax.load import read_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.zoo import zoo_names, zoo_path

Read = Callable[..., Any]


def read(text: str, name: str = "spec.yaml") -> Spec:
    diagnostics = Diagnostics()
    spec = read_spec(Source(name, text), (), diagnostics)
    assert not diagnostics.has_errors, [(d.span, d.message) for d in diagnostics]
    assert spec is not None
    return spec


def described(graph: Graph) -> dict[str, Any]:
    """All of a graph but where it is written."""
    return {
        "inputs": [(value.name, value.type) for value in graph.inputs],
        "nodes": [
            (node.path, node.attrs, [v.name for v in node.inputs], [v.type for v in node.outputs], node.frozen)
            for node in graph.nodes
        ],
        "heads": {name: value.name for name, value in graph.heads.items()},
        "slots": [(slot.name, slot.kind, slot.param) for slot in graph.slots],
    }


def check(spec: Spec) -> Spec:
    """The resolved spec, which is found to be the same network, trained and expected alike."""
    again = read(resolved_text(spec), "resolved.yaml")
    assert described(again.graph) == described(spec.graph)
    assert again.recipe == spec.recipe
    assert [e._replace(span=None) for e in again.expectations] == [e._replace(span=None) for e in spec.expectations]
    assert resolved_text(again) == resolved_text(spec)
    return again


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo(name: str) -> None:
    path = zoo_path(name)
    check(read(path.read_text(encoding="utf-8"), str(path)))


EVERYTHING = """\
netspec: 1
name: everything
doc: "$ is a dollar"
dialect: caffe
vars: {width: 8, classes: 3}
inputs: {left: [17, 17, 3], right: {shape: [17, 17, 3], source: image_b}}
blocks:
  stem:
    args: {filters: required, pool: max_pool}
    vars: {half: $(filters // 2)}
    layers:
      - conv: {filters: $half, kernel: 3, stride: 2, padding: same}
        init: {weight: {gaussian: {std: 0.02}}, bias: {constant: 1}}
      - batch_norm
      - $pool: {size: 2}
  gate:
    layers:
      - global_avg_pool
      - dense: $channels
      - multiply:
        from: [input, inner]
  squeeze:
    layers:
      - relu
      - layers:
          - global_avg_pool
          - dense: $channels
          - sigmoid
        name: inner
      - multiply:
        from: [input, inner]
layers:
  - stem: {filters: $width}
    from: left
    name: a
  - stem: {filters: $width, pool: max_pool}
    from: right
    share: a
    name: b
  - concat:
    from: [a, b]
    name: joined
  - squeeze
  - conv: {filters: $(4 * (i + 1)), kernel: 1}
    repeat: 3
    freeze: $(i == 1)
    when: true
  - add:
      body: [relu, {conv: {filters: $channels, kernel: 1}, init: he}]
      extra: {when: $(width > 100), layers: [tanh]}
      skip: []
  - avg_pool: 2
    when: false
  - upsample: {like: joined}
  - dropout: {rate: 0.5, drop: channel}
  - global_avg_pool
  - dense: $classes
heads:
  main: {}
  aux:
    from: a
    layers: [global_avg_pool, {dense: 4}]
    loss: {cross_entropy: {label_smoothing: 0.1}}
    weight: 0.25
    metrics: [accuracy]
    target: kind
    only: train
train:
  loss: {cross_entropy: {label_smoothing: 0.2}}
  optimizer: {sgd: {momentum: 0.8, nesterov: true}}
  lr: {step: {start: 0.1, every: 3, factor: 0.5}}
  epochs: 4
  batch: 16
  seed: 7
expect:
  output: {main: [$classes], aux: [4]}
  params: {min: 100, max: 10k}
  shapes: {joined: [4, 4, 8]}
  train_only: {macs: {max: 1M}}
"""


def test_every_construct() -> None:
    text = EVERYTHING.replace(EVERYTHING[EVERYTHING.index("  gate:") : EVERYTHING.index("  squeeze:")], "")
    spec = read(text)
    again = check(spec)
    assert again.dialect == "textbook"
    assert "momentum: 0.999" in resolved_text(spec)
    assert "[0, 1]" in resolved_text(spec) or "[1, 1]" in resolved_text(spec)
    for word in ("dialect", "blocks", "repeat", "when", "vars"):
        assert f"{word}:" not in resolved_text(spec)


def test_what_enters_a_block_is_named() -> None:
    text = "netspec: 1\ninput: [4]\nblocks: {r: {layers: [relu, {add: , from: [input, input]}]}}\nlayers: [tanh, r]\n"
    assert "tanh:" in resolved_text(check(read(text)))


def test_a_name_that_is_hidden_is_reached_from_the_top() -> None:
    text = """\
netspec: 1
input: [4]
blocks:
  r:
    layers:
      - sigmoid:
        name: tanh
      - add:
        from: [input, tanh]
layers: [tanh, r]
"""
    assert "from: [/tanh, tanh]" in resolved_text(check(read(text)))


def test_unnamed_layers_keep_their_numbers() -> None:
    text = """\
netspec: 1
input: [4]
blocks: {d: {layers: [{dense: 4}, {dense: 4}]}}
layers: [d, {dense: 4}, d, {dense: 4, when: false}, {dense: 4}, {dense: 4, repeat: 2}, {dense: 4}]
"""
    check(read(text))


def test_texts_that_look_like_expressions() -> None:
    train = "train: {data: {idx: $$a}}"
    spec = check(
        read(f"netspec: 1\ndoc: $HOME\nname: $x\ninput: [4, 4, 1]\nlayers: [flatten, {{dense: 10}}]\n{train}\n")
    )
    assert (spec.doc, spec.name) == ("$HOME", "$x")


OPS = ("relu", "tanh", "{conv: {filters: 4, kernel: 3, padding: same}}", "batch_norm", "{dropout: 0.5}", "one", "two")


def layers(numbers: random.Random, depth: int = 0) -> str:
    """A list of layers at random, which keeps the image's size and has four channels."""
    items = []
    for _ in range(numbers.randint(1, 4)):
        kind = numbers.random()
        if depth < 3 and kind < 0.2:
            items.append(f"{{add: {{a: {layers(numbers, depth + 1)}, b: {numbers.choice(['[]', '[relu]'])}}}}}")
        elif depth < 3 and kind < 0.35:
            items.append(f"{{layers: {layers(numbers, depth + 1)}, repeat: {numbers.randint(0, 2)}}}")
        elif kind < 0.5:
            items.append(f"{{{numbers.choice(['one', 'two', 'relu'])}: , repeat: {numbers.randint(0, 3)}}}")
        else:
            items.append(numbers.choice(OPS))
    return f"[{', '.join(items)}]"


@pytest.mark.parametrize("seed", range(60))
def test_networks_at_random(seed: int) -> None:
    numbers = random.Random(seed)
    one = "{layers: [relu, {conv: {filters: 4, kernel: 1}, name: c}, {add: , from: [input, c]}]}"
    two = "{args: {n: 2}, layers: [{one: , repeat: $n}, {concat: {a: [], b: [one], axis: height}, when: false}]}"
    text = f"netspec: 1\ninput: [8, 8, 4]\nblocks: {{one: {one}, two: {two}}}\nlayers: {layers(numbers)}\n"
    check(read(text))
