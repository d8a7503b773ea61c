// Dense layers: x (N, I), weight (I, U), y (N, U). ``Way`` is how products are made: InFloat32, or OnTensorCores.
#pragma once
#include "finish.cuh"
#include "multiply.cuh"

// A matrix stored row by row. Its lines are its rows, or where TURNED its columns.
template <class Number, bool TURNED>
struct Matrix {
  static const bool ALONG_TERMS = !TURNED;
  struct Line {
    i64 first;
  };
  struct Term {
    i64 beyond;
  };
  typedef Number Stored;
  const Number* numbers;
  int width;
  bool wide;
  MEMBER Matrix(const Number* numbers, int width) : numbers(numbers), width(width), wide(is_wide<Number>(width)) {}
  MEMBER Line line(int m) const { return {TURNED ? (i64)m : (i64)m * width}; }
  MEMBER Term term(int k) const { return {TURNED ? (i64)k * width : (i64)k}; }
  MEMBER const Number* find(const Line& line, const Term& term) const { return numbers + line.first + term.beyond; }
};

template <class Way>
using Rows = Matrix<typename Way::Number, false>;
template <class Way>
using RowsTurned = Matrix<typename Way::Number, true>;

// y (N, U) = x (N, I) weight (I, U) + bias (U)
template <class Way, class Number>
DEVICE void forward(const Number* x, const Number* weight, const float* bias, const Numbers& y, int samples, int inputs,
                    int units, const Finish& finish) {
  Way::multiply(samples, units, 0, inputs, Rows<Way>(x, inputs), RowsTurned<Way>(weight, units),
                StoreColumns{y, bias, units, finish});
}

// dx (N, I) = dy (N, U) weight^T
template <class Way, class Number>
DEVICE void input_gradient(const Number* dy, const Number* weight, const Numbers& dx, int samples, int inputs,
                           int units) {
  Way::multiply(samples, inputs, 0, units, Rows<Way>(dy, units), Rows<Way>(weight, units),
                StoreColumns{dx, nullptr, inputs, as_it_is()});
}

// dw (I, U) = x^T dy
template <class Way, class Number>
DEVICE void weight_gradient(const Number* x, const Number* dy, float* dw, int samples, int inputs, int units) {
  Way::multiply(inputs, units, 0, samples, RowsTurned<Way>(x, inputs), RowsTurned<Way>(dy, units),
                StoreColumns{in_float32(dw), nullptr, units, as_it_is()});
}
