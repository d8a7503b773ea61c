// Dense layers in float32; dense.cuh says how.
#include "dense.cuh"

KERNEL(dense_forward, 256, 128)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<InFloat32>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward)

KERNEL(dense_input_gradient, 256, 128)
(const float* dy, const float* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<InFloat32>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient)

KERNEL(dense_weight_gradient, 256, 128)
(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<InFloat32>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient)
