// Dense layers in float32 by larger tiles (multiply_wide.cuh).
#include "dense.cuh"
#include "multiply_wide.cuh"

KERNEL(dense_forward_wide, 256, 168)
(const float* x, const float* weight, const float* bias, Numbers y, int samples, int inputs, int units, Finish finish) {
  forward<InFloat32Wide>(x, weight, bias, y, samples, inputs, units, finish);
}
EXPORT(dense_forward_wide)

KERNEL(dense_input_gradient_wide, 256, 168)
(const float* dy, const float* weight, Numbers dx, int samples, int inputs, int units) {
  input_gradient<InFloat32Wide>(dy, weight, dx, samples, inputs, units);
}
EXPORT(dense_input_gradient_wide)

KERNEL(dense_weight_gradient_wide, 256, 168)
(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  weight_gradient<InFloat32Wide>(x, dy, dw, samples, inputs, units);
}
EXPORT(dense_weight_gradient_wide)
