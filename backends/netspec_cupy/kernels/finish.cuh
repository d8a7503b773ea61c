// What becomes of a number before it is stored: a residual is added, then it is clipped. NaN stays.
#pragma once
#include "device.cuh"

// Numbers that are stored as float32 or as bfloat16, which is known when a kernel runs: what is looked at once for each
// sum of products. Mirrors `Numbers` in geometry.py.
struct Numbers {
  void* first;
  int narrow;
  MEMBER float at(i64 place) const {
    return narrow ? (float)static_cast<const bf16*>(first)[place] : static_cast<const float*>(first)[place];
  }
  MEMBER void put(i64 place, float number) const {
    if (narrow)
      static_cast<bf16*>(first)[place] = number;
    else
      static_cast<float*>(first)[place] = number;
  }
  MEMBER Numbers from(i64 place) const {
    return {narrow ? (void*)(static_cast<bf16*>(first) + place) : (void*)(static_cast<float*>(first) + place), narrow};
  }
};

DEVICE Numbers in_float32(float* numbers) { return {numbers, 0}; }

// Mirrors `Finish` in geometry.py; infinite limits clip nothing.
struct Finish {
  Numbers residual;
  float low, high;
  MEMBER float of(float number, i64 place) const {
    if (residual.first) number += residual.at(place);
    return number < low ? low : number > high ? high : number;
  }
};

// A table of rows of numbers, a bias for each column.
struct StoreColumns {
  Numbers numbers;
  const float* bias;
  int width;
  Finish finish;
  MEMBER void put(int m, int n, float sum) const {
    i64 place = (i64)m * width + n;
    numbers.put(place, finish.of(sum + (bias ? bias[n] : 0.f), place));
  }
};

DEVICE Finish as_it_is() { return {{nullptr, 0}, -INFINITE, INFINITE}; }
