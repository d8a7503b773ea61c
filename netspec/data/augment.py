"""Augmentation: samples changed at random, by numbers that only seed, epoch and sample determine.

So a sample is changed in the same way whoever works on it, in whatever batch it comes, and after a resume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.core.types import TensorType
from netspec.data.dataset import Array, Feed, Part
from netspec.data.keyed import keyed_generator
from netspec.diagnostics.errors import RunError

Generator = np.random.Generator
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a pixel's luma (ITU-R 601)."""


@dataclass(frozen=True, slots=True)
class _Roles:
    """What the fields of a part are, by name: images go in; maps are what is learnt of the same pixels."""

    spatial: tuple[int, ...]
    images: tuple[str, ...]
    maps: tuple[str, ...]


class Augmenter:
    """Makes batches of changed samples of a part; see :meth:`batch`.

    ``targets`` are the types that the heads' losses take. ``note`` is told each sample before it is made. A RunError
    where an augmentation does not go with the data.
    """

    def __init__(
        self,
        part: Part,
        augment: Sequence[Any],
        seed: int,
        targets: Mapping[str, TensorType],
        note: Callable[[int], None] = lambda sample: None,
    ) -> None:
        self.part, self.augment, self.seed, self.targets = part, augment, seed, targets
        self._note = note
        self._roles = _roles(part)
        self._mixup = [each for each in augment if each.scope == "pair"]
        self._shared = [each for each in augment if each.scope in ("place", "colour")]
        self._inputs = [each for each in augment if each.scope == "input"]
        for each in augment:
            _refuse(each, self._roles, targets)

    def batch(self, indices: Array, epoch: int | str) -> Part:
        """The samples ``indices`` as they are in ``epoch``, with a field for each input and each head."""
        mixed = [self._one(int(index), epoch) for index in indices]
        for mixup in self._mixup:
            mixed = [self._mix(mixup, int(index), each, epoch) for index, each in zip(indices, mixed, strict=True)]
        fields = {name: np.stack([each[name] for each in mixed]) for name in mixed[0]}
        feed = self.part.feed
        return Part(
            fields, Feed({name: f"input/{name}" for name in feed.inputs}, {n: f"target/{n}" for n in feed.targets})
        )

    def _one(self, index: int, epoch: int | str) -> dict[str, Array]:
        """One sample, by input and head."""
        self._note(index)
        generator = keyed_generator(self.seed, "augment", epoch, index)
        feed, roles = self.part.feed, self._roles
        fields = {name: self.part[name][index] for name in feed.fields}
        for augmentation in self._shared:
            change = _CHANGES[declaration_of(augmentation).name](augmentation, generator, roles.spatial)
            names = (*roles.images, *roles.maps) if augmentation.scope == "place" else roles.images
            fields |= {name: change(fields[name]) for name in names}
        inputs = {name: fields[field] for name, field in feed.inputs.items()}
        for augmentation in self._inputs:
            change = _CHANGES[declaration_of(augmentation).name](augmentation, generator, roles.spatial)
            inputs |= {name: change(inputs[name]) for name, field in feed.inputs.items() if field in roles.images}
        found = {f"input/{name}": array for name, array in inputs.items()}
        return found | {f"target/{name}": fields[field] for name, field in feed.targets.items()}

    def _mix(self, mixup: Any, index: int, sample: dict[str, Array], epoch: int | str) -> dict[str, Array]:
        """A sample mixed with another of the part, as that one is in this epoch."""
        generator = keyed_generator(self.seed, "mixup", epoch, index)
        share = np.float32(generator.beta(mixup.alpha, mixup.alpha))
        other = self._one(int(generator.integers(len(self.part))), epoch)
        return {
            name: share * self._mixable(name, array) + (1 - share) * self._mixable(name, other[name])
            for name, array in sample.items()
        }

    def _mixable(self, name: str, array: Array) -> Array:
        """float32; class numbers as one-hot rows where the loss takes those."""
        kind, _, head = name.partition("/")
        if kind == "target" and array.dtype == np.int32 and array.shape != self.targets[head].shape:
            array = array[..., np.newaxis]
            if self.targets[head].channels > 1:
                array = array == np.arange(self.targets[head].channels)
        return array.astype(np.float32)


def _roles(part: Part) -> _Roles:
    """Images are the inputs with the extents of the first that has any, maps the targets with these extents."""
    shapes = {name: part[name].shape[1:] for name in part.feed.fields}
    inputs = tuple(dict.fromkeys(part.feed.inputs.values()))
    spatial = next((shapes[name][:-1] for name in inputs if len(shapes[name]) > 1), ())
    images = tuple(name for name in inputs if spatial and shapes[name][:-1] == spatial)
    others = dict.fromkeys(name for name in part.feed.targets.values() if name not in images)
    maps = tuple(name for name in others if spatial and spatial in (shapes[name], shapes[name][:-1]))
    return _Roles(spatial, images, maps)


def _refuse(augmentation: Any, roles: _Roles, targets: Mapping[str, TensorType]) -> None:
    name, problem = declaration_of(augmentation).name, None
    if augmentation.scope == "pair":
        numbered = [head for head, target in targets.items() if target.dtype == "int32"]
        if numbered:
            problem = (
                f"it mixes targets, but the loss of head '{numbered[0]}' takes class numbers: "
                "write {cross_entropy: {targets: probabilities}}"
            )
    elif len(roles.spatial) not in augmentation.ranks:
        problem = f"it wants inputs of {' or '.join(_KINDS[rank] for rank in augmentation.ranks)}"
    elif name == "random_flip" and augmentation.axis == "vertical" and len(roles.spatial) < 2:
        problem = "a signal has no top and bottom"
    elif name == "random_crop" and augmentation.fill == "reflect" and augmentation.padding >= min(roles.spatial):
        problem = f"a padding of {augmentation.padding} cannot be mirrored from a side of {min(roles.spatial)}"
    if problem is not None:
        raise RunError.of("NS512", name=name, problem=problem)


_KINDS = {1: "signals", 2: "images", 3: "volumes"}

Change = Callable[[Array], Array]
Draw = Callable[[Any, Generator, tuple[int, ...]], Change]
"""Draws the numbers of one sample, and returns what makes the change in every array of it."""


def _random_crop(crop: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    moves = generator.integers(0, 2 * crop.padding + 1, len(spatial)) - crop.padding
    if crop.fill == "zero":
        # Nothing is padded: what the window shows of the sample is laid over zeros.
        shown = tuple(slice(max(m, 0), max(side + min(m, 0), 0)) for m, side in zip(moves, spatial, strict=True))
        place = tuple(slice(max(-m, 0), max(side + min(-m, 0), 0)) for m, side in zip(moves, spatial, strict=True))

        def laid(x: Array) -> Array:
            found = np.zeros_like(x)
            found[place] = x[shown]
            return found

        return laid
    mirrored = [_mirrored(np.arange(side) + move, side) for move, side in zip(moves, spatial, strict=True)]
    return lambda x: x[np.ix_(*mirrored)]


def _mirrored(places: Array, side: int) -> Array:
    """Places beyond the sides, but for less than a side, as those that a mirror in the last pixel shows there."""
    last = side - 1
    found: Array = last - np.abs(last - np.abs(places))
    return found


def _random_flip(flip: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    turned = generator.random() < 0.5
    axis = len(spatial) - (1 if flip.axis == "horizontal" else 2)
    return lambda x: np.flip(x, axis) if turned else x


def _random_rotation(rotation: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    angle = math.radians(generator.uniform(-rotation.degrees, rotation.degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    return _around_middle(((cosine, sine), (-sine, cosine)), spatial)


def _random_scale(scale: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    factor = 1 / generator.uniform(1 - scale.share, 1 + scale.share)
    return _around_middle(((factor, 0.0), (0.0, factor)), spatial)


def _random_shift(shift: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    down, right = (side * generator.uniform(-shift.share, shift.share) for side in spatial)
    return lambda x: _warped(x, (1.0, 0.0, -right, 0.0, 1.0, -down))


def _around_middle(matrix: tuple[tuple[float, float], tuple[float, float]], spatial: tuple[int, ...]) -> Change:
    """Where each pixel of the result is taken from: ``matrix`` over its (x, y) from the image's middle."""
    y, x = (side / 2 for side in spatial)
    (a, b), (d, e) = matrix
    place = (a, b, x - a * x - b * y, d, e, y - d * x - e * y)
    return lambda array: _warped(array, place)


def _warped(array: Array, place: tuple[float, ...]) -> Array:
    """(H, W) or (H, W, C) with each pixel taken from elsewhere: class numbers from the nearest, others bilinearly."""
    from PIL import Image

    channels = array[..., np.newaxis] if array.ndim == 2 else array
    method = Image.Resampling.NEAREST if array.dtype == np.int32 else Image.Resampling.BILINEAR
    size = (array.shape[1], array.shape[0])
    warped = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(channels[..., channel])).transform(
                size, Image.Transform.AFFINE, place, method
            )
        )
        for channel in range(channels.shape[-1])
    ]
    return np.stack(warped, axis=-1).reshape(array.shape).astype(array.dtype, copy=False)


def _color_jitter(jitter: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    brightness, contrast, saturation = (
        np.float32(generator.uniform(1 - width, 1 + width))
        for width in (jitter.brightness, jitter.contrast, jitter.saturation)
    )
    hue = generator.uniform(-jitter.hue, jitter.hue)

    def change(x: Array) -> Array:
        pixels = x.astype(np.float32) * brightness
        colour = x.shape[-1] == 3
        luma = _mixed(pixels, LUMA) if colour else pixels.mean(axis=-1)
        mean = luma.mean()
        pixels = mean + contrast * (pixels - mean)
        if colour:
            grey = (mean + contrast * (luma - mean))[..., np.newaxis]
            pixels = _with_hue(grey + saturation * (pixels - grey), hue)
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8) if x.dtype == np.uint8 else pixels.astype(np.float32)

    return change


def _with_hue(pixels: Array, turn: float) -> Array:
    """RGB with its colours turned by a share of the circle, around grey (in YIQ, the axes of NTSC)."""
    if not turn:
        return pixels
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    cosine, sine = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    around = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    matrix = (np.linalg.inv(to_yiq) @ around @ to_yiq).astype(np.float32)
    return np.stack([_mixed(pixels, row) for row in matrix], axis=-1)


def _mixed(pixels: Array, weights: Array) -> Array:
    """The weighted sum of red, green and blue. A matrix product's last bits could depend on its library's threads."""
    red, green, blue = weights
    found: Array = red * pixels[..., 0] + green * pixels[..., 1] + blue * pixels[..., 2]
    return found


def _cutout(cutout: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    starts = [int(generator.integers(side)) - cutout.size // 2 for side in spatial]
    return _filled([[slice(max(start, 0), max(start + cutout.size, 0)) for start in starts]], cutout.value)


def _cut_holes(cut: Any, generator: Generator, spatial: tuple[int, ...]) -> Change:
    return _filled([list(_hole(cut.size, generator, spatial)) for _ in range(cut.count)], cut.value)


def _hole(share: float, generator: Generator, spatial: tuple[int, ...]) -> Iterator[slice]:
    """A rectangle within the image; its sides are at least half of the largest."""
    for side in spatial:
        largest = max(1, round(share * side))
        length = int(generator.integers(-(-largest // 2), largest + 1))
        start = int(generator.integers(side - length + 1))
        yield slice(start, start + length)


def _filled(windows: Sequence[Sequence[slice]], value: float) -> Change:
    def change(x: Array) -> Array:
        changed = x.copy()
        for window in windows:
            changed[tuple(window)] = value
        return changed

    return change


_CHANGES: dict[str, Draw] = {
    "random_crop": _random_crop,
    "random_flip": _random_flip,
    "random_rotation": _random_rotation,
    "random_shift": _random_shift,
    "random_scale": _random_scale,
    "color_jitter": _color_jitter,
    "cutout": _cutout,
    "cut_holes": _cut_holes,
}
