// How numbers become bytes: in units of the output's scale, clipped, rounded to the nearest whole number, ties to the
// even one, plus the zero. Products and sums before it have to be rounded apart, so that the bits are those of the
// definition: what includes this is compiled with --fmad=false.
#pragma once
#include "device.cuh"

// The limits of a byte less its zero, and the zero. Mirrors `Rounding` in geometry.py.
struct Rounding {
  float low, high;
  int zero;
  // NaN becomes the lowest.
  MEMBER u8 of(float number) const {
    number = number > low ? number : low;
    number = number > high ? high : number;
    return (u8)((int)rintf(number) + zero);
  }
};
