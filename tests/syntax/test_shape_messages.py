"""What a person reads where a layer that moves, selects or merges does not fit: message and way out, at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

MISTAKES = [
    (
        "- reshape: [5, -1]",
        "[5, -1]",
        "'reshape' cannot make 5x-1 of the 192 numbers of its 8x8x3 input",
        "the product of the sides must be as many; one side may be -1, which takes what is left",
    ),
    (
        "- part: {index: 0, of: 2}",
        "2",
        "'part' cannot cut 3 channels into 2 equal parts",
        "it can be one of 3",
    ),
    (
        "- part: 2",
        "2",
        "'part' takes part 2, but there are 2",
        "they are counted from 0, so that the last is 1",
    ),
    (
        "- select: [0, 3]",
        "[0, 3]",
        "'select' takes channel 3, but there are 3",
        "they are counted from 0, so that the last is 2",
    ),
    (
        "- select: {index: 8, axis: width}",
        "8",
        "'select' takes place along width 8, but there are 8",
        "they are counted from 0, so that the last is 7",
    ),
    (
        "- channel_shuffle: 2",
        "2",
        "groups: 2 does not divide the 3 channels of 'channel_shuffle'",
        "groups can be 1, 3",
    ),
    (
        "- depth_to_space: 2",
        "2",
        "'depth_to_space' cannot cut 3 channels into 4 equal parts",
        "the channels must be a multiple of 2·2 = 4",
    ),
    (
        "- upsample: {method: bilinear}",
        "upsample: {method: bilinear}",
        "'upsample' wants 'factor' or 'like', but has neither",
        "write 'factor' with numbers, or 'like' with the name of an earlier layer whose size is meant",
    ),
    (
        "- crop: [4, 9]",
        "[4, 9]",
        "'crop' cannot cut 4x9 out of 8x8",
        "4x9 needs an input at least as large: 'pad' and 'upsample' make one",
    ),
    (
        "- pad: {amount: 8, mode: reflect}",
        "reflect",
        "'pad' cannot mirror 8 cells of an axis of 8",
        "the edge cell is the mirror, so at most one cell less than the axis has; replicate takes 8 too",
    ),
    (
        "- multiply: {a: [{crop: 4}], b: []}",
        "multiply: {a: [{crop: 4}], b: []}",
        "'multiply' cannot multiply 4x4x3 and 8x8x3: they differ in axes that are not 1",
        "axes of 1 are stretched, and [C] over [H, W, C]: such gates come from global_avg_pool, masks from filters: 1",
    ),
]


@pytest.mark.parametrize(("layer", "marked", "message", "help_text"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_message_place_and_way_out(read_layers: Read, layer: str, marked: str, message: str, help_text: str) -> None:
    reading = read_layers(layer, "[8, 8, 3]")
    assert reading.messages == [message]
    assert reading.helps == [help_text]
    assert reading.marked == [marked]


def test_subtract_takes_two(read_layers: Read) -> None:
    reading = read_layers("- relu:\n  name: a\n- relu:\n  name: b\n- subtract:\n  from: [a, b, a]", "[8, 8, 3]")
    assert reading.messages == ["'subtract' takes 2 inputs, but has 3"]
    assert reading.helps == ["write 'from: [a, b]' for a minus b"]


def test_all_ways_of_writing(read_layers: Read) -> None:
    reading = read_layers(
        """
        - pad: 1
        - crop: 8
        - upsample: 2
        - pad: {amount: [0, [1, 2]], channels: [0, 1], mode: value, value: -1e3}
        - crop: {size: [8, 8]}
        - depth_to_space: 2
        - channel_shuffle: 1
        - scale
        - scale: 0.5
        - scale: {by: learned, bias: true}
        - identity:
          name: here
        - part: {index: 0, axis: height}
        - select: 0
        - max: [[], [relu]]
          name: largest
        - mean: {a: [], b: [relu]}
        - multiply: [[], [{global_avg_pool: true}], [global_avg_pool]]
          name: gated
        - subtract:
          from: [gated, largest]
        - reshape: [-1]
        """,
        "[8, 8, 3]",
    )
    assert reading.network.graph.heads["main"].type.shape == (8 * 16,)
    assert reading.shapes["here"] == (16, 16, 1)
    assert list(reading.network.graph.slot("scale3.shift").param.shape) == [1]


def test_the_size_of_another_layer(read_layers: Read) -> None:
    reading = read_layers(
        """
        - relu:
          name: fine
        - max_pool: 2
          name: coarse
        - upsample: {like: fine}
        - crop: {like: coarse}
        - upsample: {like: fine, method: bilinear}
        """,
        "[8, 6, 3]",
    )
    assert list(reading.shapes.values()) == [(8, 6, 3), (4, 3, 3), (8, 6, 3), (4, 3, 3), (8, 6, 3)]
    assert reading.codes == []


@pytest.mark.parametrize("op", ["upsample", "crop"])
def test_a_layer_that_is_not_there_is_the_only_finding(read_layers: Read, op: str) -> None:
    assert read_layers(f"- {op}: {{like: elsewhere}}\n- flatten\n- dense: 3", "[8, 6, 3]").codes == ["NS206"]


def test_one_branch_left_passes_through_every_merge(read_layers: Read) -> None:
    for merge in ("multiply", "max", "mean"):
        reading = read_layers(f"- {merge}: {{a: [relu], b: {{when: false, layers: []}}}}", "[8, 6, 3]")
        assert reading.network.graph.heads["main"].type.shape == (8, 6, 3)
