"""The ops that this backend has no kernel for. One that is neither here nor has a kernel fails the tests."""

from __future__ import annotations

_NAMES = """
abs abs.dx absolute_error absolute_error.dx accumulate adaptive_avg_pool adaptive_avg_pool.dx adaptive_max_pool
adaptive_max_pool.dx add affine all_finite average avg_pool avg_pool.dx batch_mean batch_mean.dx batch_norm
batch_norm.dx batch_norm.frozen_dx batch_norm.moving batch_norm.train binary_error binary_error.dx chain
channel_shuffle channel_sum clip_norm clip_value concat concat.dx constant conv conv.dw conv.dx conv_transpose
conv_transpose.dw conv_transpose.dx crop cross_entropy cross_entropy.dx dense dense.dw dense.dx depth_to_space
depth_to_space.dx dropout.mask fold_norm elu elu.dx flatten flatten.dx gelu gelu.dx global_avg_pool global_avg_pool.dx
global_norm hard_sigmoid hard_sigmoid.dx hard_swish hard_swish.dx huber_error huber_error.dx layout.convert
leaky_relu leaky_relu.dx locally_connected locally_connected.dw locally_connected.dx lp_pool lp_pool.dx
lrn.scale lrn.scale.dx lrn.squares lrn.squares.dx max max.dx max_pool max_pool.dx max_pool.values mean median_pool
median_pool.dx moved.dx multiply multiply.dx pad part prelu prelu.dx rbf rbf.dw rbf.dx relu relu.dx relu6
relu6.dx sample_norm sample_norm.dx sample_sum scale select sigmoid sigmoid.dx silu silu.dx softmax softmax.dx
softplus softplus.dx squared_error squared_error.dx subtract tanh tanh.dx times update.adadelta update.adagrad
update.adam update.rmsprop update.sgd upsample
"""

MISSING = frozenset(_NAMES.split())
