"""Padding ``same`` as Caffe and PyTorch have it, written out in cells.

All other differences between dialects are defaults of attributes: see `netspec.core.attributes`.
"""

from __future__ import annotations

from typing import Any

from netspec.core import formulas
from netspec.core.attributes import Window
from netspec.core.declare import attributes_of

_AT_ANY_STRIDE = ("caffe", "torch")
"""Dialects in which ``same`` adds ``d(k - 1)`` cells, half of them before and an odd one after, at any stride."""


def written_out(attrs: Any, axes: int, dialect: str) -> Any:
    """The op on this many spatial axes with the dialect's ``same`` in cells; else the op itself.

    A transposed convolution is left alone: there ``same`` is about what comes out.
    """
    values = attributes_of(attrs)
    if dialect not in _AT_ANY_STRIDE or values.get("padding") != "same" or "output_padding" in values:
        return attrs
    size = _per_axis(values.get("kernel", values.get("size")), axes)
    dilation = _per_axis(values.get("dilation", 1), axes)
    if size is None or dilation is None:
        return attrs  # the op will say that the numbers are not as many as the axes
    total = [formulas.full_padding(k, d) for k, d in zip(size, dilation, strict=True)]
    return type(attrs)(**{**values, "padding": tuple((t // 2, t - t // 2) for t in total)})


def _per_axis(value: Window | None, axes: int) -> tuple[int, ...] | None:
    if isinstance(value, int):
        return (value,) * axes
    return value if value is not None and len(value) == axes else None
