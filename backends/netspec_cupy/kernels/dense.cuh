// Dense layers: x (N, I), weight (I, U), y (N, U). ``Way`` is how products are made: InFloat32, or OnTensorCores.
#pragma once
#include "finish.cuh"
#include "multiply.cuh"

// A matrix stored row by row. Its lines are its rows, or where TURNED its columns.
template <bool TURNED>
struct Matrix {
  static const bool ALONG_TERMS = !TURNED;
  struct Line {
    i64 first;
  };
  struct Term {
    i64 beyond;
  };
  const float* numbers;
  int width;
  bool wide;
  MEMBER Matrix(const float* numbers, int width) : numbers(numbers), width(width), wide(width % 4 == 0) {}
  MEMBER Line line(int m) const { return {TURNED ? (i64)m : (i64)m * width}; }
  MEMBER Term term(int k) const { return {TURNED ? (i64)k * width : (i64)k}; }
  MEMBER const float* find(const Line& line, const Term& term) const { return numbers + line.first + term.beyond; }
};

// y (N, U) = x (N, I) weight (I, U) + bias (U)
template <class Way>
DEVICE void forward(const float* x, const float* weight, const float* bias, float* y, int samples, int inputs,
                    int units, const Finish& finish) {
  Way::multiply(samples, units, 0, inputs, Matrix<false>(x, inputs), Matrix<true>(weight, units),
                StoreColumns{y, bias, units, finish});
}

// dx (N, I) = dy (N, U) weight^T
template <class Way>
DEVICE void input_gradient(const float* dy, const float* weight, float* dx, int samples, int inputs, int units) {
  Way::multiply(samples, inputs, 0, units, Matrix<false>(dy, units), Matrix<false>(weight, units),
                StoreColumns{dx, nullptr, inputs, as_it_is()});
}

// dw (I, U) = x^T dy
template <class Way>
DEVICE void weight_gradient(const float* x, const float* dy, float* dw, int samples, int inputs, int units) {
  Way::multiply(inputs, units, 0, samples, Matrix<true>(x, inputs), Matrix<true>(dy, units),
                StoreColumns{dw, nullptr, units, as_it_is()});
}
