// Weights as bytes hold them, symmetric around 0 with a scale for each column, which holds its largest number; and the
// smallest and largest number of a batch. weight (rows, columns); a block has 32 columns, and every eighth row of them
// a row of threads. What is rounded is worked out in float64.
// compiled with --fmad=false
#include "reduce.cuh"

const int COLUMNS = 32, ROWS = 8, LARGEST_WEIGHT = 127;

struct OwnColumn {
  int across, down, column;
  bool inside;
  MEMBER OwnColumn(int columns)
      : across(threadIdx.x % COLUMNS), down(threadIdx.x / COLUMNS), column(blockIdx.x * COLUMNS + across) {
    inside = column < columns;
  }
};

// What the byte 1 stands for in the thread's column; 1/127 where that is all zeros.
DEVICE double scale_of_column(const float* weight, int rows, int columns, const OwnColumn& own) {
  SHARED(float, of_rows, [ROWS][COLUMNS]);
  float largest = 0.f;
  if (own.inside)
    for (int row = own.down; row < rows; row += ROWS)
      largest = maximum(largest, fabsf(weight[(i64)row * columns + own.column]));
  of_rows[own.down][own.across] = largest;
  barrier();
  for (int row = 0; row < ROWS; row++) largest = maximum(largest, of_rows[row][own.across]);
  return (largest > 0.f ? (double)largest : 1.0) / LARGEST_WEIGHT;
}

KERNEL(fake_quantize_weights, 256, 64)(const float* weight, float* made, int rows, int columns) {
  OwnColumn own(columns);
  double scale = scale_of_column(weight, rows, columns, own);
  if (!own.inside) return;
  for (int row = own.down; row < rows; row += ROWS) {
    i64 at = (i64)row * columns + own.column;
    made[at] = (float)(rint((double)weight[at] / scale) * scale);
  }
}
EXPORT(fake_quantize_weights)

// bias (columns) or null -> made (rows, columns), sums (columns) that products are added to, and the factor (columns)
// that makes numbers of y of them.
KERNEL(quantize_weights, 256, 64)
(const float* weight, const float* bias, signed char* made, int* sums, float* factor, int rows, int columns,
 double x_scale, int x_zero, double y_scale) {
  SHARED(int, totals, [ROWS][COLUMNS]);
  OwnColumn own(columns);
  double scale = scale_of_column(weight, rows, columns, own);
  int total = 0;
  if (own.inside)
    for (int row = own.down; row < rows; row += ROWS) {
      i64 at = (i64)row * columns + own.column;
      int rounded = (int)rint((double)weight[at] / scale);
      made[at] = (signed char)rounded;
      total += rounded;
    }
  totals[own.down][own.across] = total;
  barrier();
  if (own.down > 0 || !own.inside) return;
  for (int row = 1; row < ROWS; row++) total += totals[row][own.across];
  double unit = x_scale * scale, start = bias ? rint((double)bias[own.column] / unit) : 0.0;
  start -= (double)x_zero * total;
  start = start > -2147483648.0 ? start : -2147483648.0;
  sums[own.column] = (int)(start < 2147483647.0 ? start : 2147483647.0);
  factor[own.column] = (float)(unit / y_scale);
}
EXPORT(quantize_weights)

// parts (blocks, 2): the smallest and the largest of each part of x; NaN where there is one.
KERNEL(extremes_of_parts, 256, 32)(const float* x, float* parts, int samples, i64 each) {
  i64 size = samples * each;
  i64 first = size * blockIdx.x / gridDim.x, end = size * (blockIdx.x + 1) / gridDim.x;
  float low = INFINITE, high = -INFINITE;
  for (i64 at = first + threadIdx.x; at < end; at += blockDim.x) {
    low = minimum(low, x[at]);
    high = maximum(high, x[at]);
  }
  low = -block_maximum(-low);
  high = block_maximum(high);
  if (threadIdx.x > 0) return;
  parts[2 * blockIdx.x] = low;
  parts[2 * blockIdx.x + 1] = high;
}
EXPORT(extremes_of_parts)

KERNEL(join_extremes, 256, 32)(const float* parts, float* lowest, float* highest, int count) {
  float low = INFINITE, high = -INFINITE;
  for (int part = threadIdx.x; part < count; part += blockDim.x) {
    low = minimum(low, parts[2 * part]);
    high = maximum(high, parts[2 * part + 1]);
  }
  low = -block_maximum(-low);
  high = block_maximum(high);
  if (threadIdx.x > 0) return;
  lowest[0] = low;
  highest[0] = high;
}
EXPORT(join_extremes)
