"""Decoding of image files with Pillow: what is turned, coloured or sized differently is brought to one form knowingly.

- A turn that a camera noted (EXIF) is carried out.
- The number of channels is what the network wants: 1 grey (luma of ITU-R 601), 2 grey with alpha, 3 RGB, 4 RGB with
  alpha. Palettes become colours; CMYK, YCbCr, LAB and HSV become RGB as Pillow converts them.
- Where no alpha is wanted, what is transparent is laid over white: the colour that hides beneath is not an image.
- 16 bits become 8 by v / 257, so that 65535 is 255. Floating-point images are refused: their range is not known.
- Of an animation the first frame is taken.

An image of another size than the network's is refused unless a policy says what to do: ``stretch`` fills the input
whatever the sides; ``crop`` keeps the sides' ratio and cuts the middle out; ``letterbox`` keeps all of it and leaves
black borders. Resampling is bilinear over the covered area (antialiased where an image shrinks).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from netspec.core.formulas import times
from netspec.data.contents import Content
from netspec.data.dataset import Array
from netspec.data.files import fault
from netspec.diagnostics.errors import RunError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"))
"""Endings of files that are taken for images, lower case."""
LARGEST_IMAGE = 100_000_000
"""Pixels of one image file."""
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ORIENTATION = 0x0112
"""The EXIF tag of how a camera was held."""
_ON_ITS_SIDE = (5, 6, 7, 8)
"""Values of it with which height and width change places."""
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
"""What Pillow's plug-ins raise at files that are damaged."""


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Decodes image files, in their order, for an input of this shape (H, W, C)."""

    paths: Sequence[Content]
    sample: tuple[int, ...]
    resize: str
    dtype = "uint8"

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.paths), *self.sample)

    def files(self, row: int) -> Sequence[Content]:
        """The one file of a sample."""
        return (self.paths[row],)

    def check(self, row: int) -> None:
        """Refuse what is no image, or one of a size that is not wanted."""
        height, width, _ = self.sample
        check_image(self.paths[row], (width, height), self.resize)

    def decode(self, row: int) -> Array:
        """uint8 (H, W, C)."""
        return read_image(self.paths[row], self.sample, self.resize)


def refuse_shape(shape: tuple[int, ...], where: Path | str) -> None:
    """A RunError where an input of this shape does not take images; ``where`` is what holds some."""
    if len(shape) != 3 or shape[2] not in _MODES:
        problem = f"it holds images, but the network's input is {times(shape)}"
        raise fault(where, problem, "the input of images is [height, width, channels] with 1 to 4 channels")


def read_image(file: Content | IO[bytes], shape: tuple[int, ...], resize: str, name: str | None = None) -> Array:
    """uint8 (H, W, C) of one image; ``name`` is what messages call it."""
    called = name or str(file)
    image = as_mode(opened(file, called), _MODES[shape[2]], called)
    return np.asarray(fitted(image, (shape[1], shape[0]), resize, called, smooth=True)).reshape(shape)


def check_image(file: Content, size: tuple[int, int], resize: str) -> None:
    """Read the beginning of an image: a RunError where it is none, too large, or not of this size (width, height) and
    ``resize`` has nothing to say to it.
    """
    with _open_image(file, str(file)) as image:
        # A PNG would have to be read to its end to know of a turn, and cameras write none.
        turned = image.format != "PNG" and image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        found = image.size[::-1] if turned else image.size
    if found != size and resize == "none":
        raise _other_size(found, size, str(file))


def opened(file: Content | IO[bytes], called: str) -> Image.Image:
    """The decoded image, turned as its EXIF data says; a RunError where it is none, damaged or too large."""
    from PIL import ImageOps

    with _open_image(file, called) as image:
        return ImageOps.exif_transpose(image)


@contextmanager
def _open_image(file: Content | IO[bytes], called: str) -> Iterator[Image.Image]:
    """The image for the time of the block; what Pillow raises in it is a RunError that names the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with file.open("rb") if isinstance(file, Content) else nullcontext(file) as stream, Image.open(stream) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise fault(called, f"it has {image.width}x{image.height} pixels; at most {LARGEST_IMAGE:,} are read")
            yield image
    except UnidentifiedImageError as error:
        raise fault(called, "it is no image of a kind that is known here, or its beginning is damaged") from error
    except Image.DecompressionBombError as error:
        raise fault(called, f"it is too large: {error}") from error
    except _DAMAGE as error:
        raise fault(called, f"the image is damaged or cut off: {error}") from error


def _other_size(found: tuple[int, int], wanted: tuple[int, int], called: str) -> RunError:
    """That an image is not of the input's size (width, height)."""
    has, wants = (f"{height}x{width}" for width, height in (found, wanted))
    advice = (
        "say what to do with images of other sizes: 'resize: stretch', crop or letterbox in train.data,"
        " or 'predict --resize stretch'"
    )
    return fault(called, f"the image is {has} (height x width), but the input is {wants}", advice)


def as_mode(image: Image.Image, mode: str, called: str) -> Image.Image:
    """The image with the channels of ``mode``: L, LA, RGB or RGBA."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = _eight_bits(image, called)
    if image.mode == "F":
        raise fault(called, "its pixels are floating-point numbers of unknown range", "store such arrays as .npz")
    transparent = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    if transparent and "A" not in mode:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if transparent else "RGB")
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image, called: str) -> Image.Image:
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise fault(called, f"its pixels go from {values.min()} to {values.max()}, more than 16 bits hold")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def fitted(image: Image.Image, size: tuple[int, int], resize: str, called: str, smooth: bool) -> Image.Image:
    """The image at ``size`` (width, height) by the policy; class numbers are not mixed unless ``smooth``."""
    from PIL import Image

    if image.size == size:
        return image
    if resize == "none":
        raise _other_size(image.size, size, called)
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    if resize == "stretch":
        return image.resize(size, method)
    (width, height), (wide, high) = size, image.size
    if resize == "crop":
        scale = min(wide / width, high / height)
        left, top = (wide - width * scale) / 2, (high - height * scale) / 2
        box = (left, top, min(left + width * scale, wide), min(top + height * scale, high))
        return image.resize(size, method, box)
    scale = min(width / wide, height / high)
    inner = (max(1, min(width, round(wide * scale))), max(1, min(height, round(high * scale))))
    framed = Image.new(image.mode, size)
    framed.paste(image.resize(inner, method), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return framed
