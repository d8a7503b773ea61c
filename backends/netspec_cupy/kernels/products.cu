// Products of stretched tensors, and squared distances.
#include "device.cuh"

// The struct mirrors `Stretched` in geometry.py: y is made over the axes ``made`` of a sample, and each of its numbers
// is a sum over ``summed``; ``steps`` tells, for each factor, how far apart its numbers are along all of these axes, 0
// where it is stretched.
struct Stretched {
  int made[4], summed[4];
  int factors;
};

// y = the sum of the products of factors; ``factors`` holds their addresses, ``steps`` (factors, 9): the sample, the
// axes that are made, the axes that are summed
KERNEL(multiply_stretched, 256, 80)
(const float* const* factors, const i64* steps, float* y, int samples, Stretched s) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x, rest = number;
  if (number >= (i64)samples * s.made[0] * s.made[1] * s.made[2] * s.made[3]) return;
  int at[4];
  for (int axis = 3; axis >= 0; axis--) {
    at[axis] = (int)(rest % s.made[axis]);
    rest /= s.made[axis];
  }
  float sum = 0.f;
  int terms = s.summed[0] * s.summed[1] * s.summed[2] * s.summed[3];
  for (int term = 0; term < terms; term++) {
    float product = 1.f;
    for (int each = 0; each < s.factors; each++) {
      const i64* step = steps + each * 9;
      i64 place = rest * step[0];
      int left = term;
      for (int axis = 3; axis >= 0; axis--) {
        place += at[axis] * step[1 + axis] + left % s.summed[axis] * step[5 + axis];
        left /= s.summed[axis];
      }
      product *= factors[each][place];
    }
    sum += product;
  }
  y[number] = sum;
}
EXPORT(multiply_stretched)

// Squared distances: y (N, U) = the sum over inputs of (x - w)^2, with x (N, I) and w (I, U)
KERNEL(squared_distances, 256, 56)
(const float* x, const float* weight, float* y, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * units) return;
  const float* row = x + number / units * inputs;
  float sum = 0.f;
  for (int i = 0; i < inputs; i++) {
    float apart = row[i] - weight[(i64)i * units + number % units];
    sum += apart * apart;
  }
  y[number] = sum;
}
EXPORT(squared_distances)

// dx (N, I) = 2 times the sum over units of (x - w) dy
KERNEL(distances_input_gradient, 256, 56)
(const float* x, const float* weight, const float* dy, float* dx, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * inputs) return;
  const float* row = dy + number / inputs * units;
  float sum = 0.f;
  for (int j = 0; j < units; j++) sum += (x[number] - weight[number % inputs * units + j]) * row[j];
  dx[number] = 2.f * sum;
}
EXPORT(distances_input_gradient)

// dw (I, U) = 2 times the sum over samples of (w - x) dy
KERNEL(distances_weight_gradient, 256, 64)
(const float* x, const float* weight, const float* dy, float* dw, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)inputs * units) return;
  float sum = 0.f;
  for (int n = 0; n < samples; n++)
    sum += (weight[number] - x[(i64)n * inputs + number / units]) * dy[(i64)n * units + number % units];
  dw[number] = 2.f * sum;
}
EXPORT(distances_weight_gradient)
