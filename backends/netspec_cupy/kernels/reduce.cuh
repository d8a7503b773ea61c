// Sums over threads, always in the same order.
#pragma once
#include "device.cuh"

template <class Number>
DEVICE Number warp_sum(Number value) {
  for (int mask = 16; mask; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

DEVICE float warp_maximum(float value) {
  for (int mask = 16; mask; mask /= 2) value = maximum(value, shuffle_xor(value, mask));
  return value;
}

// The sum over all threads of a block of whole warps, at most 32 of them, given to every thread.
template <class Number>
DEVICE Number block_sum(Number value) {
  SHARED(Number, of_warps, [32]);
  int warps = blockDim.x / 32;
  value = warp_sum(value);
  barrier();  // the last use of the array is over
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  barrier();
  Number total = 0;
  for (int warp = 0; warp < warps; warp++) total += of_warps[warp];
  return total;
}

// The largest number of all threads of such a block, given to every thread; NaN where there is one.
DEVICE float block_maximum(float value) {
  SHARED(float, of_warps, [32]);
  int warps = blockDim.x / 32;
  value = warp_maximum(value);
  barrier();  // the last use of the array is over
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  barrier();
  for (int warp = 0; warp < warps; warp++) value = maximum(value, of_warps[warp]);
  return value;
}
