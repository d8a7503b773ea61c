"""Draws the pictures of docs/results.md that show what networks make of images.

python tools/samples.py edges PHOTO          a photo, and its edges by the kernels of docs/examples/edges.yaml
python tools/samples.py repairs RUN          holes, repairs and originals of the test part, by a run of zoo:inpainting
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import netspec
from netspec.data.batches import Batches
from netspec.data.read import data_folder, read_dataset
from netspec.training.model import Model
from netspec.training.open_run import open_run

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images" / "results"
SAMPLES = 8
"""Images that are repaired."""
GAP = 6
"""White between two images."""

Array = np.ndarray[Any, np.dtype[Any]]


def write(name: str, rows: Sequence[Sequence[Array]], enlarged: int = 1) -> None:
    """Images (H, W) or (H, W, 3) of numbers from 0 to 255 side by side, in rows."""
    height, width = (size * enlarged for size in rows[0][0].shape[:2])
    down, across = len(rows) * (height + GAP) - GAP, max(map(len, rows)) * (width + GAP) - GAP
    sheet = Image.new("RGB", (across, down), "white")
    for top, row in enumerate(rows):
        for left, array in enumerate(row):
            image = Image.fromarray(np.clip(np.rint(array), 0, 255).astype(np.uint8)).convert("RGB")
            image = image.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(image, (left * (width + GAP), top * (height + GAP)))
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet.save(IMAGES / f"{name}.png", optimize=True)


def edges(photo: Path) -> None:
    """The photo; then what each kernel answers, without its sign."""
    model = netspec.load(ROOT / "docs/examples/edges.yaml").compile(batch=1)
    gray = np.asarray(Image.open(photo).convert("L").resize((320, 240), Image.Resampling.LANCZOS), np.float32)
    answers = np.abs(model.predict(gray[None, :, :, None])[0])
    answers *= 255 / np.quantile(answers, 0.998, axis=(0, 1))  # each kernel's strongest answers are white
    write("edges", [[gray, answers[..., 0]], [answers[..., 1], answers[..., 2]]])


def repairs(run: Path) -> None:
    """The holes, what the network makes of them, and what was there, of the first samples of the test part."""
    opened = open_run(run, "last", "numba", threads=1)
    runtime = opened.runtime
    test = read_dataset(opened.spec, data_folder(None), opened.spec_folder).test
    holed = next(
        Batches(test, SAMPLES, runtime.augmenter(test, evaluation=True)).in_order(np.arange(SAMPLES), "evaluation")
    )
    repaired = Model(runtime).predict(holed.inputs["input"])
    rows = zip(holed.inputs["input"], 255 * repaired, holed.targets["main"], strict=True)
    columns = [[image.reshape(image.shape[:2] + image.shape[2:]) for image in row] for row in rows]
    write("repairs", [list(row) for row in zip(*columns, strict=True)], enlarged=3)


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["edges", "repairs"])
    parser.add_argument("source", type=Path)
    asked = parser.parse_args()
    {"edges": edges, "repairs": repairs}[asked.kind](asked.source)


if __name__ == "__main__":
    main()
