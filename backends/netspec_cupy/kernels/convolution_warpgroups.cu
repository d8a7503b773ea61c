// Convolutions on the tensor cores of Hopper, by warpgroups (warpgroups.cuh). See convolution.cuh.
// needs sm_90a
#include "convolution.cuh"
#include "warpgroups.cuh"

KERNEL(convolution_forward_wgmma_tf32, 256, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<OnWarpgroups<GroupTf32>>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward_wgmma_tf32)

KERNEL(convolution_input_gradient_wgmma_tf32, 256, 255)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<OnWarpgroups<GroupTf32>>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient_wgmma_tf32)

KERNEL(convolution_weight_gradient_wgmma_tf32, 256, 255)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<OnWarpgroups<GroupTf32>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient_wgmma_tf32)

KERNEL(transposed_forward_wgmma_tf32, 256, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<OnWarpgroups<GroupTf32>>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward_wgmma_tf32)

KERNEL(transposed_input_gradient_wgmma_tf32, 256, 255)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<OnWarpgroups<GroupTf32>>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient_wgmma_tf32)

KERNEL(transposed_weight_gradient_wgmma_tf32, 256, 255)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<OnWarpgroups<GroupTf32>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient_wgmma_tf32)

KERNEL(convolution_forward_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<OnWarpgroups<GroupBfloat16>>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward_wgmma_bf16)

KERNEL(convolution_input_gradient_wgmma_bf16, 256, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<OnWarpgroups<GroupBfloat16>>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient_wgmma_bf16)

KERNEL(convolution_weight_gradient_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<OnWarpgroups<GroupBfloat16>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient_wgmma_bf16)

KERNEL(transposed_forward_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<OnWarpgroups<GroupBfloat16>>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward_wgmma_bf16)

KERNEL(transposed_input_gradient_wgmma_bf16, 256, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<OnWarpgroups<GroupBfloat16>>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient_wgmma_bf16)

KERNEL(transposed_weight_gradient_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<OnWarpgroups<GroupBfloat16>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient_wgmma_bf16)
