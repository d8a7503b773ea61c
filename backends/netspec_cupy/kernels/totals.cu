// One number from many: a mean, a length, whether all are finite. Arrays are cut into parts, one block each; then a
// single block joins the parts of all arrays in order. Sums are kept in float64, which no order of float32 sums equals.
#include "reduce.cuh"

struct Identity {
  MEMBER double of(float x) const { return x; }
};
struct Square {
  MEMBER double of(float x) const { return (double)x * x; }
};
struct NotFinite {
  MEMBER double of(float x) const { return (bits_of(x) & 0x7f800000u) == 0x7f800000u ? 1.0 : 0.0; }
};

template <class Term>
DEVICE void sum_part(const Term& term, const float* x, double* parts, i64 size) {
  i64 first = size * blockIdx.x / gridDim.x, end = size * (blockIdx.x + 1) / gridDim.x;
  double total = 0.0;
  for (i64 at = first + threadIdx.x; at < end; at += blockDim.x) total += term.of(x[at]);
  total = block_sum(total);
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

KERNEL(sum_numbers, 256, 32)(const float* x, double* parts, int samples, i64 each) {
  sum_part(Identity(), x, parts, samples * each);
}
EXPORT(sum_numbers)

KERNEL(sum_of_squares, 256, 32)(const float* x, double* parts, i64 size) { sum_part(Square(), x, parts, size); }
EXPORT(sum_of_squares)

KERNEL(count_not_finite, 256, 32)(const float* x, double* parts, i64 size) { sum_part(NotFinite(), x, parts, size); }
EXPORT(count_not_finite)

DEVICE double joined(const double* parts, int count) {
  double total = 0.0;
  for (int part = threadIdx.x; part < count; part += blockDim.x) total += parts[part];
  return block_sum(total);
}

KERNEL(join_mean, 256, 32)(const double* parts, float* mean, int count, int samples, i64 each) {
  double total = joined(parts, count);
  if (threadIdx.x == 0) mean[0] = (float)(total / ((double)samples * each));
}
EXPORT(join_mean)

KERNEL(join_length, 256, 32)(const double* parts, float* length, int count) {
  double total = joined(parts, count);
  if (threadIdx.x == 0) length[0] = (float)sqrt(total);
}
EXPORT(join_length)

KERNEL(join_finite, 256, 32)(const double* parts, float* verdict, int count) {
  double total = joined(parts, count);
  if (threadIdx.x == 0) verdict[0] = total == 0.0 ? 1.f : 0.f;
}
EXPORT(join_finite)

// y = value / (samples * each) everywhere: the gradient of a mean
KERNEL(fill_share, 256, 32)(const float* value, float* y, int samples, i64 each) {
  i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (at < samples * each) y[at] = (float)((double)value[0] / ((double)samples * each));
}
EXPORT(fill_share)

KERNEL(set_number, 32, 32)(float* y, float value) {
  if (threadIdx.x == 0) y[0] = value;
}
EXPORT(set_number)

// The moving mean and variance: momentum times the old plus the rest times those of the batch.
KERNEL(move_statistics, 256, 32)
(const float* old_mean, const float* old_variance, const float* mean, const float* variance, float* new_mean,
 float* new_variance, int samples, int positions, int channels, double momentum, int unbiased) {
  int channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  double count = (double)samples * positions, share = unbiased && count > 1.0 ? count / (count - 1.0) : 1.0;
  new_mean[channel] = (float)(momentum * old_mean[channel] + (1.0 - momentum) * mean[channel]);
  new_variance[channel] = (float)(momentum * old_variance[channel] + (1.0 - momentum) * (variance[channel] * share));
}
EXPORT(move_statistics)
