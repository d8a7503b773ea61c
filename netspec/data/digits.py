"""The source ``digits``: the test part of the UCI handwritten digits, as scikit-learn ships them.

1,797 grey images of 8x8 pixels from 0 to 16 (Alpaydin and Kaynak 1998). They become bytes from 0 to 255 and are
brought to the network's input size with a triangle filter: bilinear where they grow, an average over the covered
area (so without aliasing) where they shrink. A fifth of each class is the test part, the same in every run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.data.dataset import LABEL, Array, Dataset, ReadContext, dataset_of, labelled
from netspec.data.keyed import keyed_generator
from netspec.data.split import stratified_split
from netspec.diagnostics.errors import RunError

TEST_SHARE = 0.2
_BRIGHTEST = 16


def load(source: Any, context: ReadContext) -> Dataset:
    """The digits as uint8 images (N, H, W, 1) of the size that the network wants; a RunError without scikit-learn."""
    pixels, labels = _bundled()
    images = _resize(np.rint(pixels * (255 / _BRIGHTEST)).astype(np.uint8), context.input_shape[:2])
    whole = labelled(images[..., np.newaxis], labels.astype(np.int32))
    stay, taken = stratified_split(whole[LABEL], TEST_SHARE, keyed_generator(0, "digits", "test"))
    return dataset_of("digits", tuple("0123456789"), whole.take(stay), None, whole.take(taken))


def _bundled() -> tuple[Array, Array]:
    """Pixels (N, 8, 8) from 0 to 16 and labels (N,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise RunError("data 'digits' comes with scikit-learn, which is missing: pip install scikit-learn") from error
    bundle = load_digits()
    return bundle.images, bundle.target


def _resize(images: Array, size: tuple[int, ...]) -> Array:
    """uint8 (N, h, w) to uint8 (N, *size)."""
    from PIL import Image

    if images.shape[1:] == size or len(size) != 2:
        return images
    height, width = size
    resized = (Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR) for image in images)
    return np.stack([np.asarray(image) for image in resized])
