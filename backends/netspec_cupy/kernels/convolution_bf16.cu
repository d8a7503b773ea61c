// Convolutions on tensor cores: numbers are rounded to bfloat16, products are summed in float32. See convolution.cuh.
// needs sm_80
#include "convolution.cuh"
#include "tensor_cores.cuh"

KERNEL(convolution_forward_bf16, 128, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<OnTensorCores<Bfloat16>>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward_bf16)

KERNEL(convolution_input_gradient_bf16, 128, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<OnTensorCores<Bfloat16>>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient_bf16)

KERNEL(convolution_weight_gradient_bf16, 128, 255)
(const bf16* x, const bf16* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<OnTensorCores<Bfloat16>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient_bf16)

KERNEL(transposed_forward_bf16, 128, 255)
(const bf16* x, const bf16* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<OnTensorCores<Bfloat16>>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward_bf16)

KERNEL(transposed_input_gradient_bf16, 128, 255)
(const bf16* dy, const bf16* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<OnTensorCores<Bfloat16>>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient_bf16)

KERNEL(transposed_weight_gradient_bf16, 128, 255)
(const bf16* x, const bf16* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<OnTensorCores<Bfloat16>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient_bf16)
