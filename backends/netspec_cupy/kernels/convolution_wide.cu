// Convolutions in float32 by larger tiles (multiply_wide.cuh). See convolution.cuh.
#include "convolution.cuh"
#include "multiply_wide.cuh"

KERNEL(convolution_forward_wide, 256, 168)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, Finish finish) {
  convolve<InFloat32Wide>(x, weight, bias, y, samples, conv, finish);
}
EXPORT(convolution_forward_wide)

KERNEL(convolution_input_gradient_wide, 256, 168)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv, const Phase* phases) {
  convolve_input_gradient<InFloat32Wide>(dy, weight, dx, samples, conv, phases);
}
EXPORT(convolution_input_gradient_wide)

KERNEL(convolution_weight_gradient_wide, 256, 200)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  convolve_weight_gradient<InFloat32Wide>(x, dy, parts, samples, part_count, conv);
}
EXPORT(convolution_weight_gradient_wide)

KERNEL(transposed_forward_wide, 256, 168)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, Convolution conv, const Phase* phases,
 Finish finish) {
  transpose<InFloat32Wide>(x, weight, bias, y, samples, conv, phases, finish);
}
EXPORT(transposed_forward_wide)

KERNEL(transposed_input_gradient_wide, 256, 168)
(const float* dy, const float* weight, Numbers dx, int samples, Convolution conv) {
  transpose_input_gradient<InFloat32Wide>(dy, weight, dx, samples, conv);
}
EXPORT(transposed_input_gradient_wide)

KERNEL(transposed_weight_gradient_wide, 256, 200)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  transpose_weight_gradient<InFloat32Wide>(x, dy, parts, samples, part_count, conv);
}
EXPORT(transposed_weight_gradient_wide)
