// Convolutions in float32; convolution.cuh says how.
#include "convolution.cuh"

KERNEL(convolution_forward, 256, 144)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<InFloat32>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward)

KERNEL(convolution_input_gradient, 256, 144)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<InFloat32>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient)

KERNEL(convolution_weight_gradient, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<InFloat32>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient)

KERNEL(transposed_forward, 256, 144)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<InFloat32>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward)

KERNEL(transposed_input_gradient, 256, 144)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<InFloat32>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient)

KERNEL(transposed_weight_gradient, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<InFloat32>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient)

// sums (size) = the parts (parts, size) in their order
KERNEL(join_parts, 256, 40)(const float* parts, float* sums, int part_count, i64 size) {
  i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= size) return;
  float total = 0.f;
  for (int part = 0; part < part_count; part++) total += parts[part * size + at];
  sums[at] = total;
}
EXPORT(join_parts)
