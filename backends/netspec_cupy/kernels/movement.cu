// Ops that move numbers along axes, and means and sums under windows: each axis has a sparse matrix, and a number of y
// is the sum over the entries of its row in all of them. x (N, cells, C) of up to three axes and the channels; a block's
// y is its sample.
#include "window.cuh"

// Row ``o`` has the entries first[o] to first[o + 1]: a place of x's axis and a weight. Without tables an axis stays as
// it is. The structs mirror `AxisTable` and `Movement` in geometry.py.
struct AxisTable {
  const int* first;
  const int* place;
  const float* weight;
};

struct Movement {
  AxisTable axes[4];
  int made[4];       // places of each axis that are made, channels last
  int input[4];      // places of x's axes
  i64 y_sample;      // numbers of a sample of y, and where in it those that are made begin
  i64 y_first;
  int y_steps[4];    // from one place of an axis of y to the next
  float gap;         // what stands where nothing comes in
};

DEVICE int row_first(const AxisTable& axis, int row) { return axis.first ? axis.first[row] : row; }
DEVICE int row_end(const AxisTable& axis, int row) { return axis.first ? axis.first[row + 1] : row + 1; }
DEVICE int row_place(const AxisTable& axis, int entry) { return axis.place ? axis.place[entry] : entry; }
DEVICE float row_weight(const AxisTable& axis, int entry) { return axis.weight ? axis.weight[entry] : 1.f; }

struct AsItIs {
  MEMBER float of(float x) const { return x; }
};
struct Squared {
  MEMBER float of(float x) const { return x * x; }
};

// Where a thread's number lies in y, and the sum of what goes into it.
struct Moved {
  i64 to;
  float sum;
  bool inside;
};

template <class Term>
DEVICE Moved moved(const Term& term, const float* x, const Movement& m) {
  int rest = blockIdx.x * blockDim.x + threadIdx.x, at[4];
  if (rest >= m.made[0] * m.made[1] * m.made[2] * m.made[3]) return {0, 0.f, false};
  i64 sample = blockIdx.y, to = sample * m.y_sample + m.y_first;
#pragma unroll
  for (int axis = 3; axis >= 0; axis--) {
    at[axis] = rest % m.made[axis];
    rest /= m.made[axis];
    to += (i64)at[axis] * m.y_steps[axis];
  }
  const float* first = x + sample * m.input[0] * m.input[1] * m.input[2] * m.input[3];
  float sum = 0.f;
  int entries = 0;
  for (int a = row_first(m.axes[0], at[0]); a < row_end(m.axes[0], at[0]); a++)
    for (int b = row_first(m.axes[1], at[1]); b < row_end(m.axes[1], at[1]); b++) {
      float weight_ab = row_weight(m.axes[0], a) * row_weight(m.axes[1], b);
      i64 row = ((i64)row_place(m.axes[0], a) * m.input[1] + row_place(m.axes[1], b)) * m.input[2];
      for (int c = row_first(m.axes[2], at[2]); c < row_end(m.axes[2], at[2]); c++) {
        float weight = weight_ab * row_weight(m.axes[2], c);
        const float* cell = first + (row + row_place(m.axes[2], c)) * m.input[3];
        for (int d = row_first(m.axes[3], at[3]); d < row_end(m.axes[3], at[3]); d++, entries++)
          sum += weight * row_weight(m.axes[3], d) * term.of(cell[row_place(m.axes[3], d)]);
      }
    }
  return {to, entries ? sum : m.gap, true};
}

KERNEL(move, 256, 72)(const float* x, float* y, Movement m) {
  Moved made = moved(AsItIs(), x, m);
  if (made.inside) y[made.to] = made.sum;
}
EXPORT(move)

// The sums of squares under a window, and their gradient: 2 x times the sums of ds.
KERNEL(move_squares, 256, 72)(const float* x, float* y, Movement m) {
  Moved made = moved(Squared(), x, m);
  if (made.inside) y[made.to] = made.sum;
}
EXPORT(move_squares)

KERNEL(move_squares_gradient, 256, 72)(const float* ds, const float* x, float* dx, Movement m) {
  Moved made = moved(AsItIs(), ds, m);
  if (made.inside) dx[made.to] = 2.f * x[made.to] * made.sum;
}
EXPORT(move_squares_gradient)

KERNEL(copy_bytes, 256, 32)(const u8* x, u8* y, int samples, i64 each) {
  for (i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x; at < samples * each; at += (i64)gridDim.x * blockDim.x)
    y[at] = x[at];
}
EXPORT(copy_bytes)

// A fine image (N, cells times factors, C) and a coarse one (N, cells, factors, C): the same numbers, copied one way or
// the other.
KERNEL(depth_to_space, 256, 32)
(const float* from, float* to, int into_fine, Cell cells, Cell factors, int channels) {
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
EXPORT(depth_to_space)
