"""Did you mean ...?"""

from __future__ import annotations

import pytest

from netspec.syntax.suggestions import closest, edit_distance

OPS = [
    "conv",
    "conv_transpose",
    "dense",
    "max_pool",
    "avg_pool",
    "batch_norm",
    "relu",
    "relu6",
    "elu",
    "flatten",
    "add",
    "adam",
    "adamw",
]
ALIASES = {"linear": ("dense",), "fc": ("not_an_op", "dense"), "maxpooling": ("max_pool",), "gone": ("not_an_op",)}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Conv2D", "conv"),
        ("conv3d", "conv"),
        ("MaxPool2d", "max_pool"),
        ("max-pool", "max_pool"),
        ("BatchNorm", "batch_norm"),
        ("batchnorm2d", "batch_norm"),
        ("ReLU", "relu"),
        ("rleu", "relu"),
        ("falten", "flatten"),
        ("adamm", "adam"),
        ("adamv", "adamw"),
        ("Linear", "dense"),
        ("FC", "dense"),
        ("MaxPooling2D", "max_pool"),
        ("gone", None),
        ("xyzzy", None),
        ("", None),
        ("q", None),
        ("c" * 65, None),
    ],
)
def test_closest(word: str, expected: str | None) -> None:
    assert closest(word, OPS, ALIASES) == expected


def test_the_order_of_the_candidates_makes_no_difference() -> None:
    candidates = ["bat", "cat", "rat", "hat"]
    assert {closest("mat", order) for order in (candidates, candidates[::-1], sorted(candidates))} == {"bat"}


def test_a_short_word_must_share_a_letter() -> None:
    assert closest("n", ["i", "m"]) is None
    assert closest("hw", ["h", "x"]) == "h"


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("", "", 0),
        ("a", "", 1),
        ("", "ab", 2),
        ("abc", "abc", 0),
        ("abc", "acb", 1),
        ("ca", "abc", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_edit_distance(first: str, second: str, distance: int) -> None:
    assert edit_distance(first, second) == distance
    assert edit_distance(second, first) == distance
