// Layers of bytes (N, cells, C) that multiply no weights: tensors brought to another scale, pooling, moves.
// compiled with --fmad=false
#include "byte_rounding.cuh"
#include "movement.cuh"

// x (samples, rows, width) -> y, from byte ``first`` of each of its rows on, in the scale of y: ``scale`` times the
// distance to the zero of x.
KERNEL(rescale_bytes, 256, 40)
(const u8* x, u8* y, int samples, i64 each, int width, int y_width, int first, float scale, int x_zero,
 Rounding rounding) {
  for (i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x; at < samples * each; at += (i64)gridDim.x * blockDim.x)
    y[at / width * y_width + first + at % width] = rounding.of((float)(x[at] - x_zero) * scale);
}
EXPORT(rescale_bytes)

struct LargestByte {
  int found;
  MEMBER void take(float, u8 x) { found = x > found ? x : found; }
};

KERNEL(largest_bytes, 256, 72)(const u8* x, u8* y, Movement m) {
  LargestByte largest = {0};
  Made made = move_into(largest, x, m);
  if (made.inside) y[made.to] = (u8)largest.found;
}
EXPORT(largest_bytes)

struct SumOfBytes {
  int total, zero;
  MEMBER void take(float, u8 x) { total += x - zero; }
};

// factors (places): of the exact sum of the distances to the zero of x
KERNEL(mean_of_bytes, 256, 72)
(const u8* x, const float* factors, int x_zero, Rounding rounding, u8* y, Movement m) {
  SumOfBytes sum = {0, x_zero};
  Made made = move_into(sum, x, m);
  if (made.inside) y[made.to] = rounding.of((float)sum.total * factors[made.number / m.made[3]]);
}
EXPORT(mean_of_bytes)

struct LastByte {
  int found;
  MEMBER void take(float, u8 x) { found = x; }
};

// The gap is the zero of x.
KERNEL(move_bytes, 256, 72)(const u8* x, u8* y, Movement m) {
  LastByte last = {(int)m.gap};
  Made made = move_into(last, x, m);
  if (made.inside) y[made.to] = (u8)last.found;
}
EXPORT(move_bytes)
