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
    "zeropadding": ("pad",),
    "upsampling": ("upsample",),
    "conv2dtranspose": ("conv_transpose",),
    "deconvolution": ("conv_transpose",),
    "eltwise": ("add",),
    "pixelshuffle": ("depth_to_space",),
    "localresponsenorm": ("lrn",),
    "groupnormalization": ("group_norm",),
    "layernormalization": ("layer_norm",),
    "instancenormalization": ("instance_norm",),
    "pooling": ("max_pool",),
    "categoricalcrossentropy": ("cross_entropy",),
    "sparsecategoricalcrossentropy": ("cross_entropy",),
    "softmaxwithloss": ("cross_entropy",),
    "binarycrossentropy": ("binary_cross_entropy",),
    "bce": ("binary_cross_entropy",),
    "mse": ("mean_squared_error",),
    "mae": ("mean_absolute_error",),
    "l1": ("mean_absolute_error",),
    "l2": ("mean_squared_error",),
    "smoothl1": ("huber",),
    "momentum": ("sgd",),
    "nesterov": ("sgd",),
    "cosineannealing": ("cosine",),
    "reducelronplateau": ("plateau",),
    "tensorflow": ("keras",),
    "tf": ("keras",),
    "pytorch": ("torch",),
    "none": ("valid",),
}
"""What other tools call things, lower case and without underscores; the first that fits the place is meant."""

FOREIGN: Mapping[str, str] = {
    "activation": "an activation is a layer of its own: '- relu' behind this one",
    "inchannels": "leave it out: how many channels come in is worked out from the layer before",
    "infeatures": "leave it out: how many numbers come in is worked out from the layer before",
    "inputdim": "leave it out: how many numbers come in is worked out from the layer before",
    "inputshape": "leave it out: the shape of what comes in stands once, as 'input:' of the spec",
    "learningrate": "the rate stands beside the optimiser: 'lr: 0.001' under 'train:'",
    "lr": "the rate stands beside the optimiser: 'lr: 0.001' under 'train:'",
    "baselr": "the rate stands beside the optimiser: 'lr: 0.001' under 'train:'",
    "train/classweights": "it belongs to the loss: 'loss: {cross_entropy: {class_weights: balanced}}'",
    "train/labelsmoothing": "it belongs to the loss: 'loss: {cross_entropy: {label_smoothing: 0.1}}'",
    "depthwise_conv/filters": "leave it out: as many channels come out as come in, with 'multiplier: 2' twice as many",
    "depthwise_conv/outchannels": "leave it out: as many come out as come in, with 'multiplier: 2' twice as many",
    "weightdecay": "weight decay stands in the optimiser: 'optimizer: {sgd: {weight_decay: 1e-4}}'",
}
"""What to do about a key of other tools that has no counterpart where it stands. It is spelt like those of
``ALIASES``, behind the name of an op or a section where it holds for that one alone."""
