"""Networks of Caffe, written from the tables of their papers and of Caffe's documentation."""

from __future__ import annotations


def _conv(
    name: str, bottom: str, outputs: int, size: int, pad: int = 0, stride: int = 1, group: int = 1, more: str = ""
) -> str:
    said = f"num_output: {outputs} kernel_size: {size}"
    said += f" pad: {pad}" if pad else ""
    said += f" stride: {stride}" if stride > 1 else ""
    said += f" group: {group}" if group > 1 else ""
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
        f"convolution_param {{ {said} {more} }} }}\n"
    )


def _dense(name: str, bottom: str, outputs: int) -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" '
        f"inner_product_param {{ num_output: {outputs} }} }}\n"
    )


def _pool(name: str, bottom: str, kind: str, size: int, stride: int) -> str:
    return (
        f'layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}" '
        f"pooling_param {{ pool: {kind} kernel_size: {size} stride: {stride} }} }}\n"
    )


def _in_place(name: str, kind: str, blob: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{blob}" top: "{blob}" {more} }}\n'


LENET = """\
name: "LeNet"
layer {
  name: "mnist"
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TRAIN }
  transform_param { scale: 0.00390625 }
  data_param { source: "examples/mnist/mnist_train_lmdb" batch_size: 64 backend: LMDB }
}
layer {
  name: "mnist"
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TEST }
  data_param { source: "examples/mnist/mnist_test_lmdb" batch_size: 100 backend: LMDB }
}
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  param { lr_mult: 1 }
  param { lr_mult: 2 }  # biases learn twice as fast
  convolution_param {
    num_output: 20
    kernel_size: 5
    stride: 1
    weight_filler { type: "xavier" }
    bias_filler { type: "constant" }
  }
}
""" + (
    _pool("pool1", "conv1", "MAX", 2, 2)
    + _conv("conv2", "pool1", 50, 5)
    + _pool("pool2", "conv2", "MAX", 2, 2)
    + _dense("ip1", "pool2", 500)
    + _in_place("relu1", "ReLU", "ip1")
    + _dense("ip2", "ip1", 10)
    + 'layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" '
    "include { phase: TEST } }\n"
    + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }\n'
)

CIFAR10_QUICK = (
    'name: "CIFAR10_quick"\ninput: "data"\ninput_shape { dim: 1 dim: 3 dim: 32 dim: 32 }\n'
    + _conv("conv1", "data", 32, 5, pad=2)
    + _pool("pool1", "conv1", "MAX", 3, 2)
    + _in_place("relu1", "ReLU", "pool1")
    + _conv("conv2", "pool1", 32, 5, pad=2)
    + _in_place("relu2", "ReLU", "conv2")
    + _pool("pool2", "conv2", "AVE", 3, 2)
    + _conv("conv3", "pool2", 64, 5, pad=2)
    + _in_place("relu3", "ReLU", "conv3")
    + _pool("pool3", "conv3", "AVE", 3, 2)
    + _dense("ip1", "pool3", 64)
    + _dense("ip2", "ip1", 10)
    + 'layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }\n'
)

_LRN = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
_HALF = "dropout_param { dropout_ratio: 0.5 }"


def _lrn(name: str, bottom: str) -> str:
    return f'layer {{ name: "{name}" type: "LRN" bottom: "{bottom}" top: "{name}" {_LRN} }}\n'


ALEXNET = (
    'name: "AlexNet"\ninput: "data"\ninput_dim: 10\ninput_dim: 3\ninput_dim: 227\ninput_dim: 227\n'
    + _conv("conv1", "data", 96, 11, stride=4)
    + _in_place("relu1", "ReLU", "conv1")
    + _lrn("norm1", "conv1")
    + _pool("pool1", "norm1", "MAX", 3, 2)
    + _conv("conv2", "pool1", 256, 5, pad=2, group=2)
    + _in_place("relu2", "ReLU", "conv2")
    + _lrn("norm2", "conv2")
    + _pool("pool2", "norm2", "MAX", 3, 2)
    + _conv("conv3", "pool2", 384, 3, pad=1)
    + _in_place("relu3", "ReLU", "conv3")
    + _conv("conv4", "conv3", 384, 3, pad=1, group=2)
    + _in_place("relu4", "ReLU", "conv4")
    + _conv("conv5", "conv4", 256, 3, pad=1, group=2)
    + _in_place("relu5", "ReLU", "conv5")
    + _pool("pool5", "conv5", "MAX", 3, 2)
    + _dense("fc6", "pool5", 4096)
    + _in_place("relu6", "ReLU", "fc6")
    + _in_place("drop6", "Dropout", "fc6", _HALF)
    + _dense("fc7", "fc6", 4096)
    + _in_place("relu7", "ReLU", "fc7")
    + _in_place("drop7", "Dropout", "fc7", _HALF)
    + _dense("fc8", "fc7", 1000)
    + 'layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }\n'
)

_INPUT = 'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [1, {}, {}, {}] }} }} }}\n'

FIRE = (
    'name: "fire"\n'
    + _INPUT.format(64, 56, 56)
    + _conv("fire2/squeeze1x1", "data", 16, 1)
    + _in_place("fire2/relu_squeeze1x1", "ReLU", "fire2/squeeze1x1")
    + _conv("fire2/expand1x1", "fire2/squeeze1x1", 64, 1)
    + _in_place("fire2/relu_expand1x1", "ReLU", "fire2/expand1x1")
    + _conv("fire2/expand3x3", "fire2/squeeze1x1", 64, 3, pad=1)
    + _in_place("fire2/relu_expand3x3", "ReLU", "fire2/expand3x3")
    + 'layer { name: "fire2/concat" type: "Concat" bottom: "fire2/expand1x1" bottom: "fire2/expand3x3" '
    'top: "fire2/concat" }\n' + 'layer { name: "pool10" type: "Pooling" bottom: "fire2/concat" top: "pool10" '
    "pooling_param { pool: AVE global_pooling: true } }\n"
    + _dense("fc", "pool10", 10)
    + 'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n'
)


def _normed(conv: str, number: str) -> str:
    stats = "batch_norm_param { use_global_stats: true }"
    return _in_place(f"bn{number}", "BatchNorm", conv, stats) + _in_place(
        f"scale{number}", "Scale", conv, "scale_param { bias_term: true }"
    )


RESNET_BLOCK = (
    'name: "block"\n'
    + _INPUT.format(64, 56, 56)
    + _conv("res2a_branch1", "data", 256, 1, more="bias_term: false")
    + _normed("res2a_branch1", "2a_branch1")
    + _conv("res2a_branch2a", "data", 64, 1, more="bias_term: false")
    + _normed("res2a_branch2a", "2a_branch2a")
    + _in_place("res2a_branch2a_relu", "ReLU", "res2a_branch2a")
    + _conv("res2a_branch2b", "res2a_branch2a", 64, 3, pad=1, more="bias_term: false")
    + _normed("res2a_branch2b", "2a_branch2b")
    + _in_place("res2a_branch2b_relu", "ReLU", "res2a_branch2b")
    + _conv("res2a_branch2c", "res2a_branch2b", 256, 1, more="bias_term: false")
    + _normed("res2a_branch2c", "2a_branch2c")
    + 'layer { name: "res2a" type: "Eltwise" bottom: "res2a_branch1" bottom: "res2a_branch2c" top: "res2a" }\n'
    + _in_place("res2a_relu", "ReLU", "res2a")
)

LENET_SOLVER = """\
net: "examples/mnist/lenet_train_test.prototxt"
test_iter: 100
test_interval: 500
base_lr: 0.01
momentum: 0.9
weight_decay: 0.0005
lr_policy: "inv"
gamma: 0.0001
power: 0.75
display: 100
max_iter: 10000
snapshot: 5000
snapshot_prefix: "examples/mnist/lenet"
solver_mode: GPU
"""
"""As it is published; the network is ``LENET``."""

_LRN_WITHIN = "lrn_param { local_size: 3 alpha: 5e-05 beta: 0.75 norm_region: WITHIN_CHANNEL }"
_GAUSSIAN = 'weight_filler {{ type: "gaussian" std: {} }} bias_filler {{ type: "constant" }}'
CIFAR10_FULL = (
    'name: "CIFAR10_full"\n'
    'layer { name: "cifar" type: "Data" top: "data" top: "label" include { phase: TRAIN }\n'
    '  transform_param { mean_file: "examples/cifar10/mean.binaryproto" }\n'
    '  data_param { source: "examples/cifar10/cifar10_train_lmdb" batch_size: 100 backend: LMDB } }\n'
    + _conv("conv1", "data", 32, 5, pad=2, more=_GAUSSIAN.format("0.0001"))
    + _pool("pool1", "conv1", "MAX", 3, 2)
    + _in_place("relu1", "ReLU", "pool1")
    + _in_place("norm1", "LRN", "pool1", _LRN_WITHIN)
    + _conv("conv2", "pool1", 32, 5, pad=2, more=_GAUSSIAN.format("0.01"))
    + _in_place("relu2", "ReLU", "conv2")
    + _pool("pool2", "conv2", "AVE", 3, 2)
    + _in_place("norm2", "LRN", "pool2", _LRN_WITHIN)
    + _conv("conv3", "pool2", 64, 5, pad=2, more=_GAUSSIAN.format("0.01"))
    + _in_place("relu3", "ReLU", "conv3")
    + _pool("pool3", "conv3", "AVE", 3, 2)
    + 'layer { name: "ip1" type: "InnerProduct" bottom: "pool3" top: "ip1"\n'
    "  param { lr_mult: 1 decay_mult: 250 }\n  param { lr_mult: 2 decay_mult: 0 }\n"
    f"  inner_product_param {{ num_output: 10 {_GAUSSIAN.format('0.01')} }} }}\n"
    'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }\n'
)
CIFAR10_FULL_SOLVER = """\
net: "examples/cifar10/cifar10_full_train_test.prototxt"
test_iter: 100
test_interval: 1000
base_lr: 0.001
momentum: 0.9
weight_decay: 0.004
lr_policy: "fixed"
display: 200
max_iter: 60000
snapshot: 10000
snapshot_format: HDF5
snapshot_prefix: "examples/cifar10/cifar10_full"
solver_mode: GPU
"""
