// Convolutions on tensor cores: numbers are rounded to TF32, products are summed in float32. See convolution.cuh.
// needs sm_80
#include "convolution.cuh"
#include "tensor_cores.cuh"

KERNEL(convolution_forward_tf32, 128, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<OnTensorCores<Tf32>>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward_tf32)

KERNEL(convolution_input_gradient_tf32, 128, 255)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<OnTensorCores<Tf32>>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient_tf32)

KERNEL(convolution_weight_gradient_tf32, 128, 255)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<OnTensorCores<Tf32>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient_tf32)

KERNEL(transposed_forward_tf32, 128, 255)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<OnTensorCores<Tf32>>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward_tf32)

KERNEL(transposed_input_gradient_tf32, 128, 255)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<OnTensorCores<Tf32>>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient_tf32)

KERNEL(transposed_weight_gradient_tf32, 128, 255)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<OnTensorCores<Tf32>>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient_tf32)
