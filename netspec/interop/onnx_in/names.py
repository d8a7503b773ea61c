"""What a layer is called, from the names that exporters give to nodes and weights."""

from __future__ import annotations

import re

from netspec.interop.draft_text import legal_name

MADE_UP = re.compile(r"onnx::|^\d+$|^_?v_?\d+$|^val_\d+$|(^|/)constant(:\d+)*$")
"""Names that no person gave, as PyTorch's exporter writes them for what it has folded."""


def layer_of_weight(weight: str) -> str:
    """The layer of a weight called ``layer1.0.conv1.weight``; empty where the name was made up."""
    if MADE_UP.search(weight):
        return ""
    stem, dot, _ = weight.rpartition(".")
    return legal_name(stem) if dot else ""


def layer_of_node(node: str, op: str) -> str:
    """The layer of a node called ``/layer1/layer1.0/relu_1/Relu``: the path of modules, each said once."""
    parts = [part for part in node.split("/") if part]
    if len(parts) > 1 and re.fullmatch(rf"{re.escape(op)}(_\d+)?", parts[-1]):
        parts.pop()
    kept: list[str] = []
    for part in parts:
        if kept and part.startswith(f"{kept[-1]}."):
            kept.pop()
        kept.append(part)
    path = re.sub(r":\d+$", "", "_".join(kept)).replace(".", "_")
    path = re.sub(r"^node_", "", path)
    return "" if MADE_UP.search(path) else legal_name(path)
