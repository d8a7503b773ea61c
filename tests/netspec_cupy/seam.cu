// Kernels that go wrong.
#include "device.cuh"

// Half of the threads never come to the barrier, and the others cannot leave it until they have returned.
KERNEL(wait_for_nobody, 64, 32)(float* y) {
  if (threadIdx.x < 16) barrier();
  y[threadIdx.x] = shuffle_xor(1.f, 1);
}
EXPORT(wait_for_nobody)

// What is read before it is written is NaN.
KERNEL(read_too_early, 32, 32)(float* y) {
  SHARED(float, numbers, [32]);
  y[threadIdx.x] = numbers[threadIdx.x];
  numbers[threadIdx.x] = 1.f;
}
EXPORT(read_too_early)
