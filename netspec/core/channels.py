"""What the channels of an op's output are made of: the facts by which channels can be followed through a network."""

from __future__ import annotations

from typing import Any

from netspec.core.declare import declaration_of
from netspec.core.types import TensorType

Sources = tuple[tuple[tuple[int, int], ...], ...]
"""For each channel of an output the ``(input, channel)`` that it is made of; none where it is made of nothing."""


def channel_sources(attrs: Any, data: tuple[TensorType, ...]) -> Sources | None:
    """What each output channel is made of, on inputs of these types; ``None`` where the op does not say.

    Told is what an op states as ``channel_sources``, ``per_channel`` or ``axis_maps``; elementwise ops need state
    nothing. Of an op that says nothing it must be assumed that any channel depends on any other.
    """
    declaration = declaration_of(attrs)
    if declaration.has("channel_sources"):
        stated: Sources = attrs.channel_sources(*data)
        return stated
    if declaration.has("expressions") or declaration.has("per_channel"):
        return side_by_side(data)
    return _of_maps(attrs, data[0]) if declaration.has("axis_maps") else None


def channel_parts(attrs: Any) -> int:
    """Equal parts of the channels that the op tells apart by their place; 1 where it states none."""
    return int(getattr(attrs, "channel_parts", 1))


def mixing_weight(attrs: Any) -> str:
    """The name of the parameter by which an op that ``weighs_channels`` makes channels anew of all that come in."""
    return str(getattr(attrs, "mixing_weight", "weight"))


def spreading_weight(attrs: Any) -> str | None:
    """The name of the one by which it makes several of each before that, if it does."""
    name = getattr(attrs, "spreading_weight", None)
    return None if name is None else str(name)


def side_by_side(data: tuple[TensorType, ...]) -> Sources:
    """Each channel of the same one of every input; where an input has one channel alone, it is part of all."""
    channels = max(x.channels for x in data)
    return tuple(
        tuple((number, channel if x.channels > 1 else 0) for number, x in enumerate(data))
        for channel in range(channels)
    )


def _of_maps(attrs: Any, x: TensorType) -> Sources | None:
    """What the map of the last axis says, as long as it adds nothing up."""
    moved = attrs.axis_maps(x)[-1]
    if moved is None:
        return side_by_side((x,))
    if any(len(row) > 1 or (row and row[0][1] != 1) for row in moved.rows):
        return None
    return tuple(tuple((0, place) for place, _ in row) for row in moved.rows)
