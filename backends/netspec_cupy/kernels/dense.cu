// Dense layers: x (N, I), weight (I, U), y (N, U).
#include "multiply.cuh"

// A matrix stored row by row, as the left factor; turned, its columns are the rows.
template <bool TURNED>
struct LeftMatrix {
  static const bool BY_ROW = TURNED;
  struct Row {
    const float* start;
  };
  const float* numbers;
  int width;
  MEMBER Row row(int m) const { return {numbers + (TURNED ? (i64)m : (i64)m * width)}; }
  MEMBER float at(const Row& row, int k) const { return row.start[TURNED ? (i64)k * width : (i64)k]; }
};

template <bool TURNED>
struct RightMatrix {
  const float* numbers;
  int width;
  MEMBER float at(int k, int n) const { return numbers[TURNED ? (i64)n * width + k : (i64)k * width + n]; }
};

struct StoreMatrix {
  float* numbers;
  const float* bias;
  int width;
  MEMBER void put(int m, int n, float sum) const { numbers[(i64)m * width + n] = sum + (bias ? bias[n] : 0.f); }
};

// y (N, U) = x (N, I) weight (I, U) + bias (U)
KERNEL(dense_forward, 256, 88)
(const float* x, const float* weight, const float* bias, float* y, int samples, int inputs, int units) {
  multiply_tile(samples, units, 0, inputs, LeftMatrix<false>{x, inputs}, RightMatrix<false>{weight, units},
                StoreMatrix{y, bias, units});
}
EXPORT(dense_forward)

// dx (N, I) = dy (N, U) weight^T
KERNEL(dense_input_gradient, 256, 96)
(const float* dy, const float* weight, float* dx, int samples, int inputs, int units) {
  multiply_tile(samples, inputs, 0, units, LeftMatrix<false>{dy, units}, RightMatrix<true>{weight, units},
                StoreMatrix{dx, nullptr, inputs});
}
EXPORT(dense_input_gradient)

// dw (I, U) = x^T dy
KERNEL(dense_weight_gradient, 256, 80)
(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  multiply_tile(inputs, units, 0, samples, LeftMatrix<true>{x, inputs}, RightMatrix<false>{dy, units},
                StoreMatrix{dw, nullptr, units});
}
EXPORT(dense_weight_gradient)
