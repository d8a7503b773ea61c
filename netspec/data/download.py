"""Published data sets, fetched once into the cache folder and known by their checksums."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from netspec.diagnostics.errors import RunError

Fetch = Callable[[str, str, Path], None]
"""``fetch(address, sha256, file)``: put what is there into the file if its hash is right; an OSError or ValueError."""


class Published(NamedTuple):
    """A data set on the net: where its files are, the SHA-256 and the bytes of each, and the samples they hold."""

    address: str
    files: Mapping[str, str]
    bytes: Mapping[str, int]
    test_samples: int = 10_000


class Download(NamedTuple):
    """A file that is not here: where it is on the net, its bytes, and where it would be kept."""

    address: str
    bytes: int
    file: Path


PUBLISHED = {
    "mnist": Published(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        {
            "train-images-idx3-ubyte.gz": 9_912_422,
            "train-labels-idx1-ubyte.gz": 28_881,
            "t10k-images-idx3-ubyte.gz": 1_648_877,
            "t10k-labels-idx1-ubyte.gz": 4_542,
        },
    ),
    "fashion-mnist": Published(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        {
            "train-images-idx3-ubyte.gz": 26_421_880,
            "train-labels-idx1-ubyte.gz": 29_515,
            "t10k-images-idx3-ubyte.gz": 4_422_102,
            "t10k-labels-idx1-ubyte.gz": 5_148,
        },
    ),
    "cifar10": Published(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        {"cifar-10-binary.tar.gz": 170_052_171},
    ),
}
"""What can be fetched, by the folder that it goes into. The CIFAR-10 files are the binary ones, which hold no code."""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where fetched data is kept: below NETSPEC_CACHE_DIR, or else the user's cache directory."""
    import platformdirs

    return Path(environment.get("NETSPEC_CACHE_DIR") or platformdirs.user_cache_dir("netspec")) / "data"


def downloads(name: str, cache_dir: Path) -> tuple[Download, ...]:
    """What :func:`fetch_folder` would fetch, as far as names tell: a file that is there may still be another."""
    published, folder = PUBLISHED[name], cache_dir / name
    return tuple(
        Download(published.address + file, published.bytes[file], folder / file)
        for file in published.files
        if not (folder / file).is_file()
    )


def fetch_folder(name: str, cache_dir: Path, fetch: Fetch | None = None) -> Path:
    """The folder of a published data set, with all its files; a RunError where one cannot be had.

    A file is fetched when it is not there or is not what was published. ``fetch`` is pooch if left out.
    """
    published, folder = PUBLISHED[name], cache_dir / name
    for file, sha256 in published.files.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (fetch or _fetch)(published.address + file, sha256, folder / file)
        except (OSError, ValueError) as error:
            fields = {"address": published.address + file, "problem": _reason(error), "folder": name}
            raise RunError.of("NS911", **fields) from error
    return folder


def _fetch(address: str, sha256: str, file: Path) -> None:
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=file.name, path=file.parent)


def _reason(error: Exception) -> str:
    """One line on what went wrong. Errors of a connection wrap it, and begin with the name of an object."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    text = re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", str(inner or error))
    return (text or type(error).__name__).splitlines()[0]
