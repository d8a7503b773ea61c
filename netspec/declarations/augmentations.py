"""Augmentations: what ``train.augment`` may name. The code that computes them is ``netspec.data.augment``.

``scope`` says what of a sample is changed: ``place`` moves the pixels of images and of masks alike; ``colour`` changes
what an image looks like; ``input`` changes only what goes in, not what is learnt; ``pair`` mixes two samples.
"""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.declare import declare


@declare(
    "augmentation",
    "random_crop",
    main="padding",
    doc="Pads every side and cuts the old size out at random.",
    example="1",
)
class RandomCrop:
    padding: int = attr(doc="cells at every side", minimum=1)
    fill: str = attr(default="zero", doc="what is put there: zeros, or the mirrored edge", enum=("zero", "reflect"))

    scope = "place"
    ranks = (1, 2, 3)


@declare("augmentation", "random_flip", main="axis", doc="Mirrors every other sample, left to right or top to bottom.")
class RandomFlip:
    axis: str = attr(default="horizontal", doc="along which side", enum=("horizontal", "vertical"))

    scope = "place"
    ranks = (1, 2, 3)


@declare(
    "augmentation",
    "random_rotation",
    main="degrees",
    doc="Turns around the middle; zeros come in at the edges.",
    example="10",
)
class RandomRotation:
    degrees: float = attr(doc="largest angle, in either direction", exclusiveMinimum=0, maximum=180)

    scope = "place"
    ranks = (2,)


@declare(
    "augmentation",
    "random_shift",
    main="share",
    doc="Moves along both sides; zeros come in at the edges.",
    example="0.1",
)
class RandomShift:
    share: float = attr(doc="largest way, as a share of the side", exclusiveMinimum=0, maximum=1)

    scope = "place"
    ranks = (2,)


@declare("augmentation", "random_scale", main="share", doc="Makes larger or smaller around the middle.", example="0.1")
class RandomScale:
    share: float = attr(doc="scales lie between 1 − share and 1 + share", exclusiveMinimum=0, exclusiveMaximum=1)

    scope = "place"
    ranks = (2,)


@declare(
    "augmentation",
    "color_jitter",
    doc="Changes brightness, contrast, saturation and hue at random, in this order.",
    example="{brightness: 0.2, contrast: 0.2}",
)
class ColorJitter:
    brightness: float = attr(default=0.0, doc="factors lie between 1 − this and 1 + this", minimum=0, maximum=1)
    contrast: float = attr(default=0.0, doc="the same, of the distance to the mean luma", minimum=0, maximum=1)
    saturation: float = attr(default=0.0, doc="the same, of the distance to the pixel's luma", minimum=0, maximum=1)
    hue: float = attr(default=0.0, doc="largest turn of the colours, as a share of the circle", minimum=0, maximum=0.5)

    scope = "colour"
    ranks = (2,)


@declare(
    "augmentation",
    "cutout",
    main="size",
    doc="Puts a square over each input at random (DeVries, Taylor 2017).",
    example="3",
)
class Cutout:
    size: int = attr(doc="side of the square; its middle lies in the image, all of it need not", minimum=1)
    value: float = attr(default=0.0, doc="what the square is filled with, before preprocessing")

    scope = "input"
    ranks = (2,)
    in_evaluation = False


@declare(
    "augmentation",
    "cut_holes",
    main="size",
    doc="Cuts rectangular holes into what goes in, and leaves what is learnt whole: inpainting. Validation and test "
    "see holes too, the same in every epoch; prediction takes images as they are.",
)
class CutHoles:
    size: float = attr(
        default=0.25, doc="largest side of a hole, as a share of the image's", exclusiveMinimum=0, maximum=1
    )
    count: int = attr(default=1, doc="holes in each image", minimum=1)
    value: float = attr(default=0.0, doc="what the holes are filled with, before preprocessing")

    scope = "input"
    ranks = (2,)
    in_evaluation = True


@declare(
    "augmentation", "mixup", main="alpha", doc="λ·x + (1 − λ)·x' of two samples, and so their targets (Zhang 2018)."
)
class Mixup:
    alpha: float = attr(default=0.2, doc="λ is drawn from Beta(alpha, alpha)", exclusiveMinimum=0)

    scope = "pair"
    ranks = ()
