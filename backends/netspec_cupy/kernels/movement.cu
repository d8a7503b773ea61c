// Ops that move numbers along axes, and means and sums under windows; movement.cuh says how.
#include "movement.cuh"

// The sum of what comes in, or what stands where nothing does.
struct Sum {
  float total, gap;
  int entries;
  MEMBER void take(float weight, float x) {
    total += weight * x;
    entries++;
  }
  MEMBER float made() const { return entries ? total : gap; }
};
struct SumOfSquares {
  float total;
  MEMBER void take(float weight, float x) { total += weight * (x * x); }
};

KERNEL(move, 256, 72)(const float* x, float* y, Movement m) {
  Sum sum = {0.f, m.gap, 0};
  Made made = move_into(sum, x, m);
  if (made.inside) y[made.to] = sum.made();
}
EXPORT(move)

KERNEL(move_bf16, 256, 72)(const bf16* x, bf16* y, Movement m) {
  Sum sum = {0.f, m.gap, 0};
  Made made = move_into(sum, x, m);
  if (made.inside) y[made.to] = sum.made();
}
EXPORT(move_bf16)

// The sums of squares under a window, and their gradient: 2 x times the sums of ds.
KERNEL(move_squares, 256, 72)(const float* x, float* y, Movement m) {
  SumOfSquares sum = {0.f};
  Made made = move_into(sum, x, m);
  if (made.inside) y[made.to] = sum.total;
}
EXPORT(move_squares)

KERNEL(move_squares_gradient, 256, 72)(const float* ds, const float* x, float* dx, Movement m) {
  Sum sum = {0.f, 0.f, 0};
  Made made = move_into(sum, ds, m);
  if (made.inside) dx[made.to] = 2.f * x[made.to] * sum.made();
}
EXPORT(move_squares_gradient)

KERNEL(copy_bytes, 256, 32)(const u8* x, u8* y, int samples, i64 each) {
  for (i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x; at < samples * each; at += (i64)gridDim.x * blockDim.x)
    y[at] = x[at];
}
EXPORT(copy_bytes)

// A fine image (N, cells times factors, C) and a coarse one (N, cells, factors, C): the same numbers, copied one way or
// the other.
template <class Number>
DEVICE void regroup(const Number* from, Number* to, int into_fine, const Cell& cells, const Cell& factors,
                    int channels) {
  int number = blockIdx.x * blockDim.x + threadIdx.x, fine[3];
#pragma unroll
  for (int axis = 0; axis < 3; axis++) fine[axis] = cells.at[axis] * factors.at[axis];
  int places = volume(fine), channel = number % channels;
  if (number >= places * channels) return;
  Cell place = cell_of(number / channels, fine);
  i64 sample = blockIdx.y, cell = sample;
  int inner = 0;
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    cell = cell * cells.at[axis] + place.at[axis] / factors.at[axis];
    inner = inner * factors.at[axis] + place.at[axis] % factors.at[axis];
  }
  i64 coarse = (cell * volume(factors.at) + inner) * channels + channel;
  i64 own = sample * places * channels + number;
  if (into_fine)
    to[own] = from[coarse];
  else
    to[coarse] = from[own];
}

KERNEL(depth_to_space, 256, 32)
(const float* from, float* to, int into_fine, Cell cells, Cell factors, int channels) {
  regroup(from, to, into_fine, cells, factors, channels);
}
EXPORT(depth_to_space)

KERNEL(depth_to_space_bf16, 256, 32)
(const bf16* from, bf16* to, int into_fine, Cell cells, Cell factors, int channels) {
  regroup(from, to, into_fine, cells, factors, channels);
}
EXPORT(depth_to_space_bf16)
