// Dense layers on the tensor cores of Hopper, by warpgroups (warpgroups.cuh).
// needs sm_90a
#include "dense.cuh"
#include "warpgroups.cuh"

KERNEL(dense_forward_wgmma_tf32, 256, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<OnWarpgroups<GroupTf32>>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward_wgmma_tf32)

KERNEL(dense_input_gradient_wgmma_tf32, 256, 255)
(const float* dy, const float* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<OnWarpgroups<GroupTf32>>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient_wgmma_tf32)

KERNEL(dense_weight_gradient_wgmma_tf32, 256, 255)
(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<OnWarpgroups<GroupTf32>>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient_wgmma_tf32)

KERNEL(dense_forward_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<OnWarpgroups<GroupBfloat16>>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward_wgmma_bf16)

KERNEL(dense_input_gradient_wgmma_bf16, 256, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<OnWarpgroups<GroupBfloat16>>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient_wgmma_bf16)

KERNEL(dense_weight_gradient_wgmma_bf16, 256, 255)
(const bf16* x, const bf16* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<OnWarpgroups<GroupBfloat16>>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient_wgmma_bf16)
