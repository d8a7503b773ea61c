"""What a report says, as plain data: no arrays, no markup. ``None`` stands for what is not known or not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

REPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG as a ``data:`` address, its size in pixels, and what it shows, for those who do not see it."""

    address: str
    width: int
    height: int
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss or metric after each epoch of :class:`History`, on the training and on the validation part."""

    name: str
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class History:
    """How the run went. ``rates`` are (epoch, learning rate), where epoch 0 is the beginning of the first one.

    ``seconds`` are those of an epoch's training steps, ``waiting`` the share of them in which data was waited for; both
    are empty where they were not noted. ``skipped`` counts the steps that were left out, for numbers not finite.
    """

    epochs: tuple[int, ...] = ()
    curves: tuple[Curve, ...] = ()
    rates: tuple[tuple[float, float], ...] = ()
    seconds: tuple[float | None, ...] = ()
    waiting: tuple[float | None, ...] = ()
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A loss or metric: of the last epoch, of the epoch with the lowest validation loss, and of the test part."""

    name: str
    train: float | None
    validation: float | None
    best: float | None
    test: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a head said of a sample. ``weights`` are what it gave for its answer and for the target."""

    sample: int
    pictures: tuple[Picture, ...]
    target: str
    answer: str
    weights: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class ClassHead:
    """A head that names the class of a sample. ``counts`` has a row per label and a column per answer.

    ``weight`` is what the numbers of its answers are: a probability, or a score of the head's own.
    """

    name: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    weight: Literal["probability", "score"]
    mistakes: tuple[Answer, ...]
    kind: Literal["classes"] = "classes"


@dataclass(frozen=True, slots=True)
class MapRow:
    """A sample whose answer is a map or an image; ``error`` is its own."""

    sample: int
    inputs: tuple[Picture, ...]
    target: Picture
    answer: Picture
    difference: Picture
    error: float | None


@dataclass(frozen=True, slots=True)
class MapClass:
    """A class of pixels: its colour, its share of all pixels, and intersection over union."""

    name: str
    color: str
    share: float
    iou: float | None


@dataclass(frozen=True, slots=True)
class MapHead:
    """A head that gives an image, or names the class of each pixel. ``error`` says what the errors of its rows are."""

    name: str
    classes: tuple[MapClass, ...]
    error: str
    rows: tuple[MapRow, ...]
    kind: Literal["maps"] = "maps"


@dataclass(frozen=True, slots=True)
class Channel:
    """A number that a head gives: (target, answer) of some samples, and the mean absolute error over all."""

    name: str
    points: tuple[tuple[float, float], ...]
    mean_absolute_error: float | None


@dataclass(frozen=True, slots=True)
class NumberHead:
    """A head that gives numbers; ``mistakes`` are the samples that it is farthest off for."""

    name: str
    channels: tuple[Channel, ...]
    more_channels: int
    mistakes: tuple[Answer, ...]
    kind: Literal["numbers"] = "numbers"


Head = ClassHead | MapHead | NumberHead


@dataclass(frozen=True, slots=True)
class Answers:
    """What the heads say of the first ``samples`` of the ``of`` samples of a part."""

    part: str
    samples: int
    of: int
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Tiles:
    """Filters or feature maps of a layer in one picture: the first ``shown`` of ``of``."""

    layer: str
    what: str
    shape: tuple[int, ...]
    shown: int
    of: int
    picture: Picture


@dataclass(frozen=True, slots=True)
class Histogram:
    """The middle 99 % of some numbers in bins from ``low`` to ``high``; ``rms`` and ``zeros`` are over all of them."""

    low: float
    high: float
    counts: tuple[int, ...]
    rms: float
    zeros: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The numbers of a parameter, and of the gradient of the loss by it."""

    name: str
    shape: tuple[int, ...]
    weights: Histogram | None
    gradients: Histogram | None


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Milliseconds of a layer in one step; ``other`` is what belongs to no layer: preparation, loss, and the like."""

    layer: str
    forward: float
    backward: float


@dataclass(frozen=True, slots=True)
class Times:
    """Time per layer: medians over ``runs`` steps of ``samples`` samples."""

    samples: int
    threads: int
    runs: int
    layers: tuple[LayerTime, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A row of the summary."""

    name: str
    op: str
    output: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class Network:
    """The network: its picture as SVG, its layers, and their totals."""

    drawing: str
    layers: tuple[Layer, ...]
    params: int
    params_trained: int
    macs: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a run. ``missing`` says, by the name of a part of the report, why it is not there."""

    name: str
    doc: str
    status: str
    command: tuple[str, ...]
    epochs: int
    best_epoch: int | None
    figures: tuple[Figure, ...]
    history: History
    manifest: Mapping[str, Any]
    events: tuple[str, ...]
    network: Network | None = None
    answers: Answers | None = None
    filters: tuple[Tiles, ...] = ()
    features: tuple[Tiles, ...] = ()
    feature_input: tuple[Picture, ...] = ()
    spreads: tuple[Spread, ...] = ()
    more_spreads: int = 0
    gradient_samples: int = 0
    times: Times | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Plain data for JSON, in which a number that is not finite is ``None``."""
        found: dict[str, Any] = _plain({"version": REPORT_VERSION, **asdict(self)})
        return found


def mapping_in(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """What stands under these keys, one within the other; nothing where that is no mapping: files get changed."""
    for key in keys:
        found = document.get(key)
        document = found if isinstance(found, Mapping) else {}
    return document


def listed(document: Mapping[str, Any], key: str) -> list[Any]:
    """The list that stands under a key; empty where there is none."""
    found = document.get(key)
    return found if isinstance(found, list) else []


def finite(value: float) -> float | None:
    """The number, or ``None`` for one that is infinite or NaN."""
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return finite(value) if isinstance(value, float) else value
