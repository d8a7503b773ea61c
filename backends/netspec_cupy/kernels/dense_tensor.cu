// Dense layers on tensor cores: numbers are rounded to TF32 or bfloat16, products are summed in float32.
// needs sm_80
#include "dense.cuh"
#include "tensor_cores.cuh"

KERNEL(dense_forward_tf32, 128, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<OnTensorCores<Tf32>>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward_tf32)

KERNEL(dense_input_gradient_tf32, 128, 255)
(const float* dy, const float* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<OnTensorCores<Tf32>>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient_tf32)

KERNEL(dense_weight_gradient_tf32, 128, 255)
(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<OnTensorCores<Tf32>>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient_tf32)

KERNEL(dense_forward_bf16, 128, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<OnTensorCores<Bfloat16>>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward_bf16)

KERNEL(dense_input_gradient_bf16, 128, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<OnTensorCores<Bfloat16>>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient_bf16)

KERNEL(dense_weight_gradient_bf16, 128, 255)
(const bf16* x, const bf16* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<OnTensorCores<Bfloat16>>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient_bf16)
