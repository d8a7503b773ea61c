"""Data sources: what ``train.data`` may name. The code that reads them is ``netspec.data``."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.declare import declare


@declare(
    "source", "digits", doc="1,797 handwritten digits of 8x8, from scikit-learn (extra demo); nothing is downloaded."
)
class Digits:
    classes = 10
    training_samples = 1438
    reader = "netspec.data.digits"


@declare("source", "mnist", doc="70,000 handwritten digits of 28x28: DATA_DIR/mnist/*-ubyte[.gz].")
class Mnist:
    classes = 10
    image_shape = (28, 28, 1)
    training_samples = 60_000
    reader = "netspec.data.idx"
    folder = "mnist"


@declare("source", "fashion_mnist", doc="70,000 pieces of clothing of 28x28: DATA_DIR/fashion-mnist/*-ubyte[.gz].")
class FashionMnist:
    classes = 10
    image_shape = (28, 28, 1)
    training_samples = 60_000
    reader = "netspec.data.idx"
    folder = "fashion-mnist"


@declare("source", "idx", main="path", doc="A folder of idx files, named as MNIST's are.")
class Idx:
    path: str = attr(doc="folder with train-images-idx3-ubyte and its three companions, each maybe .gz")
    classes: int = attr(default=10, doc="number of classes", minimum=2)

    reader = "netspec.data.idx"
