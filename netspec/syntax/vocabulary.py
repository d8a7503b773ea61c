"""The words of the language that belong to no declaration."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGE_VERSION = 1
MODIFIERS = ("name", "from", "when", "repeat", "share", "freeze", "init")
"""Keys that may stand beside the op of a layer."""

GROUP = "layers"
"""The op key of a list of layers that is used as one layer."""

TRAIN_CHOICES: Mapping[str, tuple[str, ...]] = {
    "precision": ("float32", "tf32", "bfloat16"),
    "math": ("fast", "exact"),
    "on_nan": ("stop", "skip"),
}
"""Keys of ``train:`` that hold one of some words; the first is what holds where nothing is said."""

LATER_TRAIN_VALUES = frozenset({"tf32", "bfloat16"})
"""Those words that this version reads but does not act on; each use says so at its position."""

TOTALS = ("params", "params_trained", "macs", "flops", "memory_train_bytes", "memory_infer_bytes")
"""What ``expect:`` may say of the network as a whole."""

PARAMETERS = (
    "weight",
    "bias",
    "scale",
    "shift",
    "slope",
    "depthwise_weight",
    "pointwise_weight",
    "moving_mean",
    "moving_variance",
)
"""What the parameters of layers are called."""

REQUIRED = "required"
"""What stands in the place of the default of a block's argument that has none."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "linear": ("dense",),
    "fullyconnected": ("dense",),
    "fc": ("dense",),
    "innerproduct": ("dense",),
    "convolution": ("conv",),
    "batchnormalization": ("batch_norm",),
    "bn": ("batch_norm",),
    "maxpooling": ("max_pool",),
    "averagepooling": ("avg_pool",),
    "averagepool": ("avg_pool",),
    "globalaveragepooling": ("global_avg_pool",),
    "globalaveragepool": ("global_avg_pool",),
    "concatenate": ("concat",),
    "swish": ("silu",),
    "kernel": ("size",),
    "size": ("kernel",),
    "kernelsize": ("kernel", "size"),
    "poolsize": ("size",),
    "strides": ("stride",),
    "units": ("filters",),
    "numoutput": ("filters", "units"),
    "outchannels": ("filters",),
    "outfeatures": ("units",),
    "features": ("units", "filters"),
    "filters": ("units",),
    "pad": ("padding",),
    "dilationrate": ("dilation",),
    "usebias": ("bias",),
    "learningrate": ("lr",),
    "batchsize": ("batch",),
    "dataset": ("data",),
    "architecture": ("layers",),
    "parameters": ("params",),
    "inputshape": ("input",),
    "variables": ("vars",),
}
"""What other tools call things, lower case and without underscores; the first that fits the place is meant."""
