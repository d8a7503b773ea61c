"""Data sources: what ``train.data`` may name. The code that reads them is ``netspec.data``.

What is known before a file is opened a source states itself: ``classes``, ``image_shape`` and ``training_samples`` of a
published set, the ``folder`` that it is kept in, and ``brightest``, the largest number in its images, where these are
bytes.
"""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.declare import declare


@declare(
    "source", "digits", doc="1,797 handwritten digits of 8x8, from scikit-learn (extra demo); nothing is downloaded."
)
class Digits:
    classes = 10
    image_channels = 1
    """Of images that are brought to the size of the input."""
    brightest = 255
    training_samples = 1438
    reader = "netspec.data.digits"


@declare("source", "mnist", doc="70,000 handwritten digits of 28x28: DATA_DIR/mnist/*-ubyte[.gz].")
class Mnist:
    classes = 10
    brightest = 255
    image_shape = (28, 28, 1)
    training_samples = 60_000
    reader = "netspec.data.idx"
    folder = "mnist"


@declare("source", "fashion_mnist", doc="70,000 pieces of clothing of 28x28: DATA_DIR/fashion-mnist/*-ubyte[.gz].")
class FashionMnist:
    classes = 10
    brightest = 255
    image_shape = (28, 28, 1)
    training_samples = 60_000
    reader = "netspec.data.idx"
    folder = "fashion-mnist"


@declare("source", "idx", main="path", doc="A folder of idx files, named as MNIST's are.", example="{path: my_digits}")
class Idx:
    path: str = attr(doc="folder with train-images-idx3-ubyte and its three companions, each maybe .gz")
    classes: int = attr(default=10, doc="number of classes", minimum=2)

    brightest = 255
    reader = "netspec.data.idx"


_RESIZE = ("none", "stretch", "crop", "letterbox")
_RESIZE_DOC = "what to do with images that are not of the input's size; none refuses them"


@declare(
    "source",
    "cifar10",
    doc="60,000 colour images of 32x32 in ten classes: DATA_DIR/cifar10/, original files, JPEG copy, or npz.",
)
class Cifar10:
    classes = 10
    brightest = 255
    image_shape = (32, 32, 3)
    training_samples = 50_000
    reader = "netspec.data.cifar10"
    folder = "cifar10"


@declare(
    "source",
    "npz",
    main="path",
    doc="Arrays of a NumPy archive, such as x_train, y_train, x_test, y_test.",
    example="{path: my_data.npz}",
)
class Npz:
    path: str = attr(doc="archive whose arrays are fields: FIELD_train or train_FIELD, and so with val and test")
    image: str = attr(default="", doc="field of the images; without it the first of x, image, images, input, data")
    label: str = attr(default="", doc="field of the labels; without it the first of y, label, labels, target")

    image_names = ("x", "image", "images", "input", "inputs", "data")
    reader = "netspec.data.npz"


@declare("source", "folder", main="path", doc="Images in a folder for each class.", example="{path: my_images}")
class Folder:
    path: str = attr(doc="folder with train/CLASS/IMAGE, val/... and test/..., or CLASS/IMAGE alone")
    resize: str = attr(default="none", doc=_RESIZE_DOC, enum=_RESIZE)

    brightest = 255
    reader = "netspec.data.folder"


@declare(
    "source",
    "tar",
    main="files",
    doc="Images in tar files, each beside its class: NAME.jpg and NAME.cls, or NAME.json (WebDataset).",
    example="{files: 'my_images-{000..127}.tar'}",
)
class Tar:
    files: str = attr(doc="of the training part: a file, a range 'train-{000..127}.tar' or a pattern 'train-*.tar'")
    validation: str = attr(default="", doc="files of the validation part")
    test: str = attr(default="", doc="files of the test part")
    label: str = attr(default="label", doc="key of the class in a .json")
    resize: str = attr(default="none", doc=_RESIZE_DOC, enum=_RESIZE)

    brightest = 255
    reader = "netspec.data.shards"


@declare(
    "source",
    "masks",
    main="path",
    doc="Images with a mask beside each, of one class number per pixel.",
    example="{path: my_images, classes: 10}",
)
class Masks:
    path: str = attr(doc="folder with images/ and masks/, or with these below train/, val/ and test/")
    classes: int = attr(default=2, doc="number of classes", minimum=2, maximum=256)
    images: str = attr(default="images", doc="name of the folders of images")
    masks: str = attr(default="masks", doc="name of the folders of masks")
    resize: str = attr(default="none", doc=_RESIZE_DOC, enum=_RESIZE)

    brightest = 255
    reader = "netspec.data.masks"


@declare(
    "source",
    "csv",
    main="path",
    doc="A table with a row for each sample: numbers, or names of image files.",
    example="{path: my_data}",
)
class Csv:
    path: str = attr(doc="table of the training part, with a header")
    image: str = attr(default="", doc="column of image files; without it all other numbers of a row are the sample")
    label: str = attr(default="label", doc="column of class names, or of class numbers from 0; empty for none")
    validation: str = attr(default="", doc="table of the validation part")
    test: str = attr(default="", doc="table of the test part")
    resize: str = attr(default="none", doc=_RESIZE_DOC, enum=_RESIZE)

    reader = "netspec.data.table"
