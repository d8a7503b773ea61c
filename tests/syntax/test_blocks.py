"""Blocks: arguments, vars, scopes, the op as an argument; what is wrong in them is told where it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

CONV_BN = """\
blocks:
  conv_bn:
    args: {filters: required, kernel: 3, act: relu}
    layers:
      - conv: {filters: $filters, kernel: $kernel, padding: same, bias: false}
      - batch_norm
      - $act
"""


def test_a_block_is_used_like_an_op(read: Read) -> None:
    reading = read(CONV_BN + "layers:\n  - conv_bn: {filters: 4, kernel: 5, act: tanh}\n  - conv_bn: 8\n")
    nodes = reading.network.graph.nodes
    assert [node.path for node in nodes] == [
        "conv_bn/conv",
        "conv_bn/batch_norm",
        "conv_bn/tanh",
        "conv_bn2/conv",
        "conv_bn2/batch_norm",
        "conv_bn2/relu",
    ]
    assert (nodes[0].attrs.filters, nodes[0].attrs.kernel, nodes[3].attrs.filters, nodes[3].attrs.kernel) == (
        4,
        5,
        8,
        3,
    )


def test_a_list_goes_to_the_first_argument(read: Read) -> None:
    text = "blocks:\n  pool: {args: {size: 2}, layers: [{max_pool: $size}]}\nlayers:\n  - pool: [1, 2]\n  - pool\n"
    assert list(read(text).shapes.values()) == [(28, 14, 1), (14, 7, 1)]


def test_vars_of_a_block_are_worked_out_where_it_is_used(read: Read) -> None:
    text = """\
blocks:
  widen:
    args: {by: 2}
    vars: {filters: $(by * channels)}
    layers:
      - conv: {filters: $filters, kernel: 1}
      - conv: {filters: $(filters + channels), kernel: 1}
layers:
  - widen
  - widen: 3
"""
    assert [shape[-1] for shape in read(text).shapes.values()] == [2, 4, 12, 24]


def test_a_block_sees_its_arguments_and_the_vars_of_the_spec_but_not_its_callers(read: Read) -> None:
    text = """\
vars: {width: 4}
blocks:
  outer: {args: {secret: 3}, layers: [inner]}
  inner: {layers: [{conv: {filters: $width, kernel: $secret}}]}
layers: [outer]
"""
    reading = read(text)
    assert reading.codes == ["NS117", "NS107"]
    assert reading.marked == ["secret", "secret"]


def test_an_argument_can_carry_the_name_of_a_layer(read: Read) -> None:
    text = """\
blocks:
  join:
    args: {skip: required}
    layers:
      - relu
      - concat:
        from: [input, $skip]
layers:
  - conv: {filters: 4, kernel: 1}
    name: early
  - conv: {filters: 8, kernel: 1}
  - join: early
"""
    graph = read(text).network.graph
    assert [value.name for value in graph.nodes[-1].data] == ["conv", "early"]
    assert graph.nodes[-1].output.type.shape == (28, 28, 12)


def test_input_is_what_enters_the_block(read: Read) -> None:
    text = """\
blocks:
  residual:
    layers:
      - conv: {filters: $channels, kernel: 3, padding: same}
        name: body
      - add:
        from: [body, input]
layers:
  - conv: {filters: 4, kernel: 3}
  - residual
"""
    graph = read(text).network.graph
    assert [value.name for value in graph.nodes[-1].data] == ["residual/body", "conv"]


def test_the_op_key_may_be_an_argument_with_attributes_behind_it(read: Read) -> None:
    text = """\
blocks:
  shrink: {args: {pool: max_pool, by: 2}, layers: [{$pool: {size: $by}}]}
  halve: {args: {by: 2}, layers: [{shrink: {pool: avg_pool, by: $by}}]}
layers:
  - shrink
  - halve
  - shrink: {pool: max_pol, by: 7}
"""
    reading = read(text)
    assert reading.codes == ["NS104"]
    assert reading.marked == ["max_pol"]  # in the call, where the argument is given
    assert reading.helps == ["did you mean 'max_pool'?"]
    assert [node.op.name for node in reading.spec.graph.nodes] == ["max_pool", "avg_pool"]


def test_what_stands_behind_a_named_op_is_checked(read: Read) -> None:
    text = """\
blocks:
  shrink: {args: {pool: max_pool}, layers: [{$pool: {siez: 2}}]}
layers: [shrink, shrink]
"""
    reading = read(text)
    assert reading.codes == ["NS101"]
    assert reading.marked == ["siez"]


@pytest.mark.parametrize(
    ("call", "code", "marked"),
    [
        ("conv_bn: {fliters: 4}", "NS101", "fliters"),
        ("conv_bn: {kernel: 3}", "NS103", "{kernel: 3}"),
        ("conv_bn", "NS103", "conv_bn"),
        ("conv_nb: 4", "NS104", "conv_nb"),
        ("conv_bn: {filters: 0}", "NS109", "0"),
        ("conv_bn: {filters: 4.5}", "NS108", "4.5"),
        ("conv_bn: {filters: 4, kernel: {a: 1}}", "NS102", "{a: 1}"),
        ("conv_bn: {filters: 4, name: first}", "NS118", "name"),
        ("conv_bn: 4\n    kernel: 5", "NS118", "kernel"),
        ("conv_bn: {filters: 4, act: rleu}", "NS104", "rleu"),
        ("conv_bn: {filters: $(2 * widht)}", "NS107", "widht"),
    ],
)
def test_a_mistake_in_a_call_comes_out_once_and_where_it_is(read: Read, call: str, code: str, marked: str) -> None:
    reading = read(
        CONV_BN + f"layers:\n  - conv_bn: 4\n  - {call}\n  - conv_bn: 8\n  - global_avg_pool\n  - dense: 10\n"
    )
    assert reading.codes == [code], reading.messages
    assert reading.marked == [marked]


def test_a_mistake_in_a_block_comes_out_once_with_the_place_of_the_first_use(read: Read) -> None:
    text = """\
blocks:
  twice: {layers: [once, once]}
  once: {layers: [{conv: {filters: 4, kernel: 99}}]}
layers: [twice, twice]
"""
    reading = read(text)
    assert reading.codes == ["NS201"]
    assert reading.marked == ["99"]
    assert [note.text for note in reading.found[0].notes] == [
        "in block 'once', used here",
        "in block 'twice', used here",
    ]


@pytest.mark.parametrize(
    ("blocks", "code", "marked"),
    [
        ("relu: {layers: [tanh]}", "NS120", "relu"),
        ("a: {args: {channels: 1}, layers: [relu]}", "NS119", "channels"),
        ("a: {args: {name: 1}, layers: [relu]}", "NS119", "name"),
        ("a: {vars: {i: 1}, layers: [relu]}", "NS119", "i"),
        ("a: {args: {x: 0.5}, vars: {x: 1}, layers: [{dropout: $x}]}", "NS119", "x"),
        ("a: {lyaers: [relu]}", "NS101", "lyaers"),
        ("a: {args: {x: 1}, lyaers: [{dropout: $(x / 2)}]}", "NS101", "lyaers"),
        ("a: {args: {rate: 0.5}, layers: [{dropout: 0.5}]}", "NS117", "rate"),
    ],
)
def test_a_definition_that_cannot_be(read: Read, blocks: str, code: str, marked: str) -> None:
    reading = read(f"blocks:\n  {blocks}\nlayers:\n  - {'a' if blocks.startswith('a') else 'tanh'}\n")
    assert reading.codes == [code], reading.messages
    assert reading.marked == [marked]


def test_a_block_that_uses_itself(read: Read) -> None:
    reading = read("blocks:\n  a: {layers: [b]}\n  b: {layers: [relu, a]}\nlayers: [a]\n")
    assert reading.codes == ["NS121"]
    assert reading.messages == ["block 'a' uses itself: a -> b -> a"]


def test_an_unused_block_is_looked_through(read: Read) -> None:
    reading = read("blocks:\n  a: {args: {n: 1}, layers: [{dropout: $m}, {rleu: , name: $n}]}\nlayers: [relu]\n")
    assert reading.codes == ["NS128", "NS107", "NS104", "NS102"]


def test_a_block_misspelt_at_the_top_is_still_used(read: Read) -> None:
    reading = read(CONV_BN.replace("blocks:", "blokcs:") + "layers:\n  - conv_bn: 4\n")
    assert reading.codes == ["NS101"]
    assert reading.marked == ["blokcs"]


def test_a_file_of_blocks_alone_is_clean(read: Read) -> None:
    reading = read("netspec: 1\n" + CONV_BN)
    assert reading.codes == []
    assert not reading.spec.graph.nodes


def test_nested_blocks_are_bounded(read: Read) -> None:
    blocks = "".join(f"  b{n}: {{layers: [b{n + 1}]}}\n" for n in range(300))
    reading = read(f"blocks:\n{blocks}  b300: {{layers: [relu]}}\nlayers: [b0]\n")
    assert set(reading.codes) == {"NS127"}


def test_expansion_is_bounded(read: Read) -> None:
    blocks = "".join(f"  b{n}: {{layers: [b{n + 1}, b{n + 1}, b{n + 1}, b{n + 1}]}}\n" for n in range(20))
    reading = read(f"blocks:\n{blocks}  b20: {{layers: [identity]}}\nlayers: [b0]\n".replace("identity", "relu"))
    assert reading.codes == ["NS126"]


@pytest.mark.parametrize("count", ["1000000000", "$(10 ** 12)"])
def test_repeats_are_bounded(read: Read, count: str) -> None:
    assert read(f"layers:\n  - relu:\n    repeat: {count}\n    when: false\n").codes == ["NS126"]


def test_the_uses_of_a_block_that_could_not_be_read_are_no_further_mistakes(read: Read) -> None:
    reading = read("blocks: {f: {}, g: }\nlayers: [f, {g: 3}, relu]\n")
    assert reading.codes == ["NS103", "NS102"]


def test_names_may_have_letters_of_any_script(read: Read) -> None:
    reading = read("blocks: {größe: {layers: [{conv: {filters: 3, kernel: 3}}]}}\nlayers: [größe]\n")
    assert list(reading.shapes) == ["größe/conv"]
    assert reading.codes == []


@pytest.mark.parametrize("filters", ["1000000000000", "1.0e+30"])
def test_a_layer_that_no_machine_holds(read_layers: Read, filters: str) -> None:
    reading = read_layers(f"- conv: {{filters: {filters}, kernel: 3}}\n- relu\n- flatten\n- dense: 10")
    assert reading.codes == ["NS236"]
