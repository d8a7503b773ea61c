// Sums over the rows of a table (rows, columns): first of one chunk of rows each, then of the chunks in their order.
// With channels as columns they are the statistics of a batch and the gradients of what there is once per channel; with
// all numbers of a sample as columns, sums over samples. How many chunks there are follows from the rows alone.
// ``Number`` is what a tensor of the batch is stored as, and stands in the names of kernels where it is bf16.
// A gate looks at the output made again, bit by bit as it was made: products and sums are rounded apart.
// compiled with --fmad=false
#include "rows.cuh"

template <class Number>
struct Plain {
  const Number* x;
  int columns;
  MEMBER void at(int row, int column, float* values) const { values[0] = x[(i64)row * columns + column]; }
};

KERNEL(sum_rows, 256, 64)(const float* x, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Plain<float>{x, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_rows)

KERNEL(sum_rows_bf16, 256, 64)(const bf16* x, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Plain<bf16>{x, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_rows_bf16)

template <class Number>
struct Squares {
  const Number* x;
  const float* mean;
  int columns;
  MEMBER void at(int row, int column, float* values) const {
    float deviation = (float)x[(i64)row * columns + column] - mean[column];
    values[0] = deviation * deviation;
  }
};

KERNEL(sum_squares, 256, 64)
(const float* x, const float* mean, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Squares<float>{x, mean, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_squares)

KERNEL(sum_squares_bf16, 256, 64)
(const bf16* x, const float* mean, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Squares<bf16>{x, mean, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_squares_bf16)

// The sums of deviations from a mean as it was rounded, which tell what is missing from it, and of their squares.
struct Deviations {
  const float *x, *mean;
  int columns;
  MEMBER void at(int row, int column, float* values) const {
    values[0] = x[(i64)row * columns + column] - mean[column];
    values[1] = values[0] * values[0];
  }
};

KERNEL(sum_deviations, 256, 64)
(const float* x, const float* mean, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<2>(Deviations{x, mean, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_deviations)

// The sums of dy times the normalised x, and of dy: of a batch, one mean and variance per column.
// With a factor and a summand, dy counts only where the output that they make is strictly between the limits.
template <class Number>
struct OfBatch {
  const Number* x;
  const float *mean, *variance;
  const Number* dy;
  const float *factor, *summand;
  float eps, low, high;
  int columns;
  MEMBER void at(int row, int column, float* values) const {
    i64 place = (i64)row * columns + column;
    float slope = dy[place], apart = (float)x[place] - mean[column];
    if (factor) {
      float y = apart * factor[column] + summand[column];
      slope = y > low && y < high ? slope : 0.f;
    }
    values[0] = slope * (apart / sqrtf(variance[column] + eps));
    values[1] = slope;
  }
};

KERNEL(sum_batch_gradients, 256, 64)
(const float* x, const float* mean, const float* variance, const float* dy, const float* factor, const float* summand,
 float eps, float low, float high, float* parts, int samples, int positions, int columns, int chunk_rows) {
  OfBatch<float> terms = {x, mean, variance, dy, factor, summand, eps, low, high, columns};
  sum_chunk<2>(terms, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_batch_gradients)

KERNEL(sum_batch_gradients_bf16, 256, 64)
(const bf16* x, const float* mean, const float* variance, const bf16* dy, const float* factor, const float* summand,
 float eps, float low, float high, float* parts, int samples, int positions, int columns, int chunk_rows) {
  OfBatch<bf16> terms = {x, mean, variance, dy, factor, summand, eps, low, high, columns};
  sum_chunk<2>(terms, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_batch_gradients_bf16)

// The same where every sample has statistics of its own. A column is a channel or, as in a table whose rows are
// samples, a number of the sample: then its position is in the column.
struct OfSamples {
  const float *x, *mean, *variance, *dy;
  float eps;
  int columns, positions, channels, groups, by_position, whole;
  MEMBER void at(int row, int column, float* values) const {
    int sample = whole ? row : row / positions, position = whole ? column / channels : row % positions;
    int group = column % channels / (channels / groups), places = by_position ? positions : 1;
    i64 statistic = ((i64)sample * places + (by_position ? position : 0)) * groups + group;
    i64 place = (i64)row * columns + column;
    values[0] = dy[place] * ((x[place] - mean[statistic]) / sqrtf(variance[statistic] + eps));
    values[1] = dy[place];
  }
};

KERNEL(sum_sample_gradients, 256, 64)
(const float* x, const float* mean, const float* variance, const float* dy, float eps, float* parts, int samples,
 int rows_per_sample, int columns, int chunk_rows, int positions, int channels, int groups, int by_position,
 int whole) {
  OfSamples terms = {x, mean, variance, dy, eps, columns, positions, channels, groups, by_position, whole};
  sum_chunk<2>(terms, parts, samples * rows_per_sample, columns, chunk_rows);
}
EXPORT(sum_sample_gradients)

// The gradients of the slopes of prelu.
template <class Number>
struct Slopes {
  const Number *x, *dy;
  int columns;
  MEMBER void at(int row, int column, float* values) const {
    i64 place = (i64)row * columns + column;
    float number = x[place];
    values[0] = number > 0.f ? 0.f : number * dy[place];
  }
};

KERNEL(sum_slopes, 256, 64)
(const float* x, const float* dy, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Slopes<float>{x, dy, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_slopes)

KERNEL(sum_slopes_bf16, 256, 64)
(const bf16* x, const bf16* dy, float* parts, int samples, int positions, int columns, int chunk_rows) {
  sum_chunk<1>(Slopes<bf16>{x, dy, columns}, parts, samples * positions, columns, chunk_rows);
}
EXPORT(sum_slopes_bf16)

// sums and means (columns), either of them only where wanted, from number ``which`` of the sums of every chunk
KERNEL(join_chunks, 256, 48)
(const float* parts, float* sums, float* means, int which, int sum_count, int samples, int positions, int columns,
 int chunk_rows) {
  int column = blockIdx.x * blockDim.x + threadIdx.x, rows = samples * positions;
  if (column >= columns) return;
  double total = 0.0;
  for (int chunk = 0; chunk * chunk_rows < rows; chunk++)
    total += parts[((i64)chunk * sum_count + which) * columns + column];
  if (sums) sums[column] = (float)total;
  if (means) means[column] = (float)(total / rows);
}
EXPORT(join_chunks)
