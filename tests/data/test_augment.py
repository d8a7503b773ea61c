"""Augmentation: what each one does, on what, and that seed, epoch and sample alone decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.declare import REGISTRIES
from netspec.core.types import TensorType
from netspec.data.augment import _CHANGES, Augmenter
from netspec.data.batches import Batches
from netspec.data.dataset import Array, Feed, Part, labelled
from netspec.declarations.augmentations import (
    ColorJitter,
    CutHoles,
    Cutout,
    Mixup,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomScale,
    RandomShift,
)
from netspec.diagnostics.errors import RunError

RANDOM = np.random.default_rng(6)
SAMPLES = 40
IMAGES = RANDOM.integers(1, 256, (SAMPLES, 8, 10, 3), np.uint8)
LABELS = np.arange(SAMPLES, dtype=np.int32) % 3
PART = labelled(IMAGES, LABELS)
TARGETS = {"main": TensorType((), "int32")}
ALL = (
    RandomCrop(padding=2),
    RandomFlip(),
    RandomRotation(degrees=20),
    RandomShift(share=0.2),
    RandomScale(share=0.3),
    ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    Cutout(size=3),
    CutHoles(size=0.3, count=2),
)


def augmented(*augment: Any, part: Part = PART, seed: int = 1, epoch: int = 0, targets: Any = TARGETS) -> Part:
    return Augmenter(part, augment, seed, targets).batch(np.arange(len(part)), epoch)


def images(*augment: Any, **more: Any) -> Array:
    return augmented(*augment, **more).inputs["input"]


def test_every_augmentation_is_computed() -> None:
    names = {declaration.name for declaration in REGISTRIES["augmentation"].public()}
    assert names == {*_CHANGES, "mixup"}


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_shapes_types_and_labels_stay(augmentation: Any) -> None:
    found = augmented(augmentation)
    assert (found.inputs["input"].shape, found.inputs["input"].dtype) == (IMAGES.shape, np.uint8)
    assert not np.array_equal(found.inputs["input"], IMAGES)
    assert np.array_equal(found.targets["main"], LABELS)
    as_numbers = labelled(IMAGES.astype(np.float32), LABELS)
    assert images(augmentation, part=as_numbers).dtype == np.float32


def test_seed_epoch_and_sample_alone_decide() -> None:
    first = images(*ALL)
    order = RANDOM.permutation(SAMPLES)
    batches = Batches(PART, 7, Augmenter(PART, ALL, 1, TARGETS))
    again = np.concatenate([batch.inputs["input"].copy() for batch in batches.in_order(order, 0)])
    assert np.array_equal(again, first[order])  # in another order, in other batches
    assert not np.array_equal(images(*ALL, epoch=1), first)
    assert not np.array_equal(images(*ALL, seed=2), first)
    assert np.array_equal(PART["image"], IMAGES)  # the data stay as they are


@pytest.mark.parametrize(("fill", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_a_crop_is_what_numpy_pads_for_all_ranks(fill: str, mode: str) -> None:
    for shape, axes in (((9, 3), 1), ((6, 5, 2), 2), ((6, 5, 4, 2), 3), ((6, 5), 2)):
        for padding in (1, 3, 8) if fill == "zero" else (1, 3):
            for seed in range(8):
                x = np.random.default_rng(seed).integers(1, 9, shape, np.uint8)
                crop = RandomCrop(padding=padding, fill=fill)
                found = _CHANGES["random_crop"](crop, np.random.default_rng(seed), shape[:axes])(x)
                starts = np.random.default_rng(seed).integers(0, 2 * padding + 1, axes)
                padded = np.pad(x, [(padding, padding)] * axes + [(0, 0)] * (x.ndim - axes), mode=mode)  # type: ignore[call-overload]
                window = tuple(slice(start, start + side) for start, side in zip(starts, shape, strict=False))
                assert np.array_equal(found, padded[window])


def test_a_crop_is_the_padded_image_seen_through_a_window() -> None:
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    places = set()
    for number, found in enumerate(images(RandomCrop(padding=2))):
        windows = [(y, x) for y in range(5) for x in range(5) if (padded[number, y : y + 8, x : x + 10] == found).all()]
        assert len(windows) == 1
        places.update(windows)
    assert {y for y, _ in places} == {x for _, x in places} == set(range(5))
    assert (images(RandomCrop(padding=2, fill="reflect")) > 0).all()


@pytest.mark.parametrize(("axis", "mirrored"), [("horizontal", IMAGES[:, :, ::-1]), ("vertical", IMAGES[:, ::-1])])
def test_half_of_the_samples_are_mirrored(axis: str, mirrored: Array) -> None:
    found = images(RandomFlip(axis=axis))
    turned = (found == mirrored).all(axis=(1, 2, 3))
    assert ((found == IMAGES).all(axis=(1, 2, 3)) ^ turned).all()
    assert 10 < turned.sum() < 30


def disc(side: int = 41) -> Array:
    """A white disc in the middle of black."""
    y, x = np.mgrid[:side, :side] - side // 2
    return np.repeat(((x**2 + y**2 < 100) * 255).astype(np.uint8)[None, :, :, None], 20, axis=0)


def test_a_rotation_turns_around_the_middle() -> None:
    discs = labelled(disc(), np.zeros(20, np.int32))
    found = images(RandomRotation(degrees=90), part=discs)
    assert np.abs(found.astype(int) - disc()).mean() < 4  # but for the rim, which is resampled
    bar = np.zeros((20, 41, 41, 1), np.uint8)
    bar[:, 18:23] = 255
    assert (images(RandomRotation(degrees=90), part=labelled(bar, np.zeros(20, np.int32))) != bar).mean() > 0.05


def test_scales_and_shifts_are_within_their_bounds() -> None:
    part = labelled(disc(), np.zeros(20, np.int32))
    areas = (images(RandomScale(share=0.3), part=part) > 127).sum(axis=(1, 2, 3)) / (disc()[0] > 127).sum()
    assert 0.7**2 - 0.05 < areas.min() < 0.8  # rims are a few cells
    assert 1.3**2 + 0.05 > areas.max() > 1.2
    moved = images(RandomShift(share=0.2), part=part) > 127
    rows = np.array([np.argwhere(each).mean(axis=0)[:2] for each in moved]) - 20
    assert np.abs(rows).max() <= 0.2 * 41 + 0.5
    assert np.ptp(rows, axis=0).min() > 4


def test_brightness_is_a_factor_and_saturation_none_is_grey() -> None:
    dim = labelled((IMAGES // 4).astype(np.float32), LABELS)
    ratio = images(ColorJitter(brightness=0.5), part=dim) / dim["image"].clip(1)
    each = ratio[dim["image"] > 1].reshape(-1)
    assert 0.5 <= each.min() < 0.7
    assert 1.3 < each.max() <= 1.5 + 1e-6
    flat = np.broadcast_to(np.float32([90, 60, 30]), (SAMPLES, 8, 10, 3)).copy()
    found = images(ColorJitter(saturation=1.0), part=labelled(flat, LABELS))
    spread = np.ptp(found[:, 0, 0], axis=1)
    assert spread.min() < 10
    assert spread.max() > 80
    luma = found @ np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma, 65.55, rtol=1e-5)  # saturation keeps it, but for rounding


def test_a_turn_of_hues_keeps_grey_and_luma() -> None:
    grey = labelled(np.full((SAMPLES, 8, 10, 3), 100, np.uint8), LABELS)
    assert np.array_equal(images(ColorJitter(hue=0.5), part=grey), grey["image"])
    colours = labelled(IMAGES.astype(np.float32), LABELS)
    found = images(ColorJitter(hue=0.5), part=colours)
    weights = np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(found @ weights, colours["image"] @ weights, atol=0.1)  # four digits of YIQ
    assert np.abs(found - colours["image"]).max() > 50


def test_cutout_covers_a_square_or_what_of_it_lies_inside() -> None:
    covered = (images(Cutout(size=3)) == 0).all(axis=3)
    counts = covered.sum(axis=(1, 2))
    assert counts.max() == 9
    assert set(counts.tolist()) <= {4, 6, 9}


def test_holes_are_cut_into_what_goes_in_and_what_is_learnt_is_whole() -> None:
    part = Part({"image": IMAGES}, Feed({"input": "image"}, {"main": "image"}))
    found = augmented(CutHoles(size=0.5, value=0), RandomFlip(), part=part, targets={"main": TensorType((8, 10, 3))})
    holes = (found.inputs["input"] == 0).all(axis=3)
    sizes = holes.sum(axis=(1, 2))
    assert (sizes >= 2 * 3).all()  # from half of the largest side to all of it
    assert (sizes <= 4 * 5).all()
    assert (found.targets["main"] > 0).all()
    kept = ~holes
    assert np.array_equal(found.inputs["input"][kept], found.targets["main"][kept])


def test_masks_move_as_their_images_and_keep_their_classes() -> None:
    part = Part(
        {"image": IMAGES, "mask": (IMAGES[..., 0] > 128).astype(np.int32)}, Feed({"input": "image"}, {"m": "mask"})
    )
    moved = augmented(RandomCrop(padding=2), RandomFlip(), part=part, targets={"m": TensorType((8, 10), "int32")})
    assert np.array_equal(moved.targets["m"], moved.inputs["input"][..., 0] > 128)
    turned = augmented(RandomRotation(degrees=45), part=part, targets={"m": TensorType((8, 10), "int32")})
    assert set(np.unique(turned.targets["m"])) == {0, 1}
    assert turned.targets["m"].dtype == np.int32


def test_two_inputs_move_together() -> None:
    part = Part(
        {"a": IMAGES, "b": IMAGES[..., :1], "age": np.arange(SAMPLES, dtype=np.float32)[:, None], "y": LABELS},
        Feed({"left": "a", "right": "b", "age": "age"}, {"main": "y"}),
    )
    found = augmented(RandomCrop(padding=2), RandomFlip(), part=part).inputs
    assert np.array_equal(found["left"][..., :1], found["right"])
    assert np.array_equal(found["age"], part["age"])


def test_mixup_mixes_samples_and_their_targets() -> None:
    part = labelled(np.eye(SAMPLES, dtype=np.float32).reshape(SAMPLES, 8, 5, 1), np.arange(SAMPLES, dtype=np.int32))
    found = augmented(Mixup(alpha=1.0), part=part, targets={"main": TensorType((SAMPLES,))})
    rows, answers = found.inputs["input"].reshape(SAMPLES, -1), found.targets["main"]
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)  # λ + (1 − λ)
    assert np.array_equal(rows, answers)
    own = answers[np.arange(SAMPLES), np.arange(SAMPLES)]
    assert 0.3 < own.mean() < 0.7
    mixed = augmented(Mixup(alpha=1.0), targets={"main": TensorType((3,))})
    assert (mixed.inputs["input"].dtype, mixed.targets["main"].shape) == (np.float32, (SAMPLES, 3))


def test_signals_are_cropped_and_mirrored() -> None:
    part = labelled(IMAGES[:, :, 0].astype(np.float32), LABELS)
    found = images(RandomCrop(padding=2), RandomFlip(), part=part)
    assert found.shape == (SAMPLES, 8, 3)


@pytest.mark.parametrize(
    ("augmentation", "samples", "message"),
    [
        (Mixup(), IMAGES, r"'mixup' does not go with .* takes class numbers: write \{cross_entropy: \{targets"),
        (RandomRotation(degrees=3), IMAGES[:, :, 0], "'random_rotation' .* it wants inputs of images"),
        (RandomFlip(axis="vertical"), IMAGES[:, :, 0], "a signal has no top and bottom"),
        (RandomFlip(), IMAGES[:, 0, 0], "it wants inputs of signals or images or volumes"),
        (RandomCrop(padding=8, fill="reflect"), IMAGES, "a padding of 8 cannot be mirrored from a side of 8"),
    ],
)
def test_what_does_not_go_with_the_data(augmentation: Any, samples: Array, message: str) -> None:
    with pytest.raises(RunError, match=f"NS512.*{message}"):
        augmented(augmentation, part=labelled(samples, LABELS))
