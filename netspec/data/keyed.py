"""Random numbers that depend on what they are for, and on nothing that happened before."""

from __future__ import annotations

import hashlib

import numpy as np


def keyed_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator for one purpose, such as ``keyed_generator(seed, "shuffle", epoch)``.

    It is counter-based (Philox 4x64, Salmon et al. 2011); its key is a hash of ``seed`` and ``purpose``, so that
    generators for different purposes are independent, whoever draws first.
    """
    text = "\0".join(map(str, (seed, *purpose)))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, np.dtype("<u8"))))
