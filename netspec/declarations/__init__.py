"""What netspec knows: ops, losses, optimisers, schedules, initialisers, transforms, augmentations, sources, metrics.

Importing this package declares them all. Installed plug-ins (entry-point groups ``netspec.ops`` ...) are added to a
registry when a name is asked for that is not ours; :func:`use_plugins` turns that off.
"""

from __future__ import annotations

from functools import partial

from netspec.core.declare import REGISTRIES
from netspec.core.plugins import load_plugins
from netspec.declarations import (  # noqa: F401  # importing is what declares
    augmentations,
    initializers,
    losses,
    metrics,
    optimizers,
    options,
    schedules,
    sources,
    transforms,
)
from netspec.declarations.ops import (  # noqa: F401  # importing is what declares
    accumulation,
    activations,
    adaptive_pooling,
    chain,
    clipping,
    convolution,
    dense,
    depthwise,
    dropout,
    exchange,
    folding,
    group_normalization,
    local_response,
    locally_connected,
    loss_nodes,
    lp_pooling,
    median_pooling,
    merge,
    movement,
    normalization,
    pooled_convolution,
    pooling,
    preparation,
    products,
    quantization,
    rbf,
    reductions,
    reshaping,
    resizing,
    selection,
    synchronized_normalization,
    transposed,
)

_PLUGIN_GROUP = "netspec.ops"


def use_plugins(allowed: bool) -> None:
    """Let (or do not let) unknown names be looked up in installed plug-ins. Allowed when the package is imported."""
    for registry in REGISTRIES.values():
        registry.load_plugins = partial(load_plugins, _PLUGIN_GROUP) if allowed else None


use_plugins(True)
