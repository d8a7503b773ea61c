"""What a run is known by: hashes of its parts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from netspec.core.graph import Graph


def sha256(data: bytes) -> str:
    """The hash of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def network_sha256(network: Graph) -> str:
    """The hash of what a network computes."""
    return sha256(json.dumps(_written(network)).encode())


def _written(network: Graph) -> list[Any]:
    """What a network computes, as plain data."""
    return [
        [node.path, node.op.name, repr(node.attrs), [value.name for value in node.inputs], str(node.output.type)]
        for node in network.nodes
    ]
