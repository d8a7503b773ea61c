// What becomes of a number before it is stored: a residual is added, then it is clipped. NaN stays.
#pragma once
#include "device.cuh"

// Mirrors `Finish` in geometry.py; infinite limits clip nothing.
struct Finish {
  const float* residual;
  float low, high;
  MEMBER float of(float number, i64 place) const {
    if (residual) number += residual[place];
    return number < low ? low : number > high ? high : number;
  }
};

// A table of rows of numbers, a bias for each column.
struct StoreColumns {
  float* numbers;
  const float* bias;
  int width;
  Finish finish;
  MEMBER void put(int m, int n, float sum) const {
    i64 place = (i64)m * width + n;
    numbers[place] = finish.of(sum + (bias ? bias[n] : 0.f), place);
  }
};

DEVICE Finish as_it_is() { return {nullptr, -INFINITE, INFINITE}; }
