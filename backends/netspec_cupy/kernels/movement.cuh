// Numbers that are made from others along axes: each axis has a sparse matrix, and a number of y is made from the
// entries of its row in all of them. x (N, cells, C) of up to three axes and the channels; a block's y is its sample.
#pragma once
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

// A thread's number: where it lies in y, and which it is of those of a sample that are made.
struct Made {
  i64 to;
  int number;
  bool inside;
};

// Shows ``taken`` every number that goes into the thread's own, with its weight; it counts them where it wants to.
template <class Number, class Taken>
DEVICE Made move_into(Taken& taken, const Number* x, const Movement& m) {
  int own = blockIdx.x * blockDim.x + threadIdx.x, rest = own, at[4];
  if (rest >= m.made[0] * m.made[1] * m.made[2] * m.made[3]) return {0, 0, false};
  i64 sample = blockIdx.y, to = sample * m.y_sample + m.y_first;
#pragma unroll
  for (int axis = 3; axis >= 0; axis--) {
    at[axis] = rest % m.made[axis];
    rest /= m.made[axis];
    to += (i64)at[axis] * m.y_steps[axis];
  }
  const Number* first = x + sample * m.input[0] * m.input[1] * m.input[2] * m.input[3];
  for (int a = row_first(m.axes[0], at[0]); a < row_end(m.axes[0], at[0]); a++)
    for (int b = row_first(m.axes[1], at[1]); b < row_end(m.axes[1], at[1]); b++) {
      float weight_ab = row_weight(m.axes[0], a) * row_weight(m.axes[1], b);
      i64 row = ((i64)row_place(m.axes[0], a) * m.input[1] + row_place(m.axes[1], b)) * m.input[2];
      for (int c = row_first(m.axes[2], at[2]); c < row_end(m.axes[2], at[2]); c++) {
        float weight = weight_ab * row_weight(m.axes[2], c);
        const Number* cell = first + (row + row_place(m.axes[2], c)) * m.input[3];
        for (int d = row_first(m.axes[3], at[3]); d < row_end(m.axes[3], at[3]); d++)
          taken.take(weight * row_weight(m.axes[3], d), cell[row_place(m.axes[3], d)]);
      }
    }
  return {to, own, true};
}
