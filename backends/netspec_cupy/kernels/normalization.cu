// Normalisation within each sample. A segment is what one mean goes over: the channels of a group at the positions of a
// place, which is one position or all of them. Each segment has a block.
#include "reduce.cuh"

// The struct mirrors `Segments` in geometry.py.
struct Segments {
  int positions, channels, groups, by_position, whole;
};

struct Segment {
  i64 first;           // its first number, of all samples
  int row, length;     // its numbers: ``row`` neighbours, then those of the next position, ``length`` in all
  int channels;        // from one position to the next
  i64 parameter;       // where its factors begin
  MEMBER i64 number(int at) const { return first + (i64)(at / row) * channels + at % row; }
  MEMBER i64 factor(int at, int whole) const { return parameter + (whole ? (i64)(at / row) * channels : 0) + at % row; }
};

DEVICE Segment segment_of(const Segments& cut, i64 number) {
  int group = (int)(number % cut.groups), places = cut.by_position ? cut.positions : 1;
  int place = (int)(number / cut.groups % places);
  i64 sample = number / cut.groups / places;
  int row = cut.channels / cut.groups;
  i64 within = (i64)place * cut.channels + group * row;
  return {sample * cut.positions * cut.channels + within, row, cut.by_position ? row : row * cut.positions,
          cut.channels, cut.whole ? within : group * row};
}

// y = (x - mean) / sqrt(variance + eps) * scale + shift, mean and variance (N, segments)
KERNEL(normalize_segments, 256, 48)
(const float* x, const float* scale, const float* shift, float* y, float* means, float* variances, Segments cut,
 float eps) {
  Segment own = segment_of(cut, blockIdx.x);
  float total = 0.f;
  for (int at = threadIdx.x; at < own.length; at += blockDim.x) total += x[own.number(at)];
  float mean = block_sum(total) / own.length;
  total = 0.f;
  for (int at = threadIdx.x; at < own.length; at += blockDim.x) {
    float deviation = x[own.number(at)] - mean;
    total += deviation * deviation;
  }
  float variance = block_sum(total) / own.length, sigma = sqrtf(variance + eps);
  for (int at = threadIdx.x; at < own.length; at += blockDim.x) {
    i64 place = own.number(at), factor = own.factor(at, cut.whole);
    y[place] = (x[place] - mean) / sigma * (scale ? scale[factor] : 1.f) + (shift ? shift[factor] : 0.f);
  }
  if (threadIdx.x == 0) {
    means[blockIdx.x] = mean;
    variances[blockIdx.x] = variance;
  }
}
EXPORT(normalize_segments)

// dx = (g - mean(g) - n mean(g n)) / sigma, with g = dy scale and n the normalised x
KERNEL(normalize_segments_gradient, 256, 40)
(const float* x, const float* means, const float* variances, const float* dy, const float* scale, float* dx,
 Segments cut, float eps) {
  Segment own = segment_of(cut, blockIdx.x);
  float mean = means[blockIdx.x], sigma = sqrtf(variances[blockIdx.x] + eps), plain = 0.f, along = 0.f;
  for (int at = threadIdx.x; at < own.length; at += blockDim.x) {
    i64 place = own.number(at);
    float slope = dy[place] * (scale ? scale[own.factor(at, cut.whole)] : 1.f);
    plain += slope;
    along += slope * ((x[place] - mean) / sigma);
  }
  plain = block_sum(plain) / own.length;
  along = block_sum(along) / own.length;
  for (int at = threadIdx.x; at < own.length; at += blockDim.x) {
    i64 place = own.number(at);
    float slope = dy[place] * (scale ? scale[own.factor(at, cut.whole)] : 1.f);
    dx[place] = (slope - plain - (x[place] - mean) / sigma * along) / sigma;
  }
}
EXPORT(normalize_segments_gradient)
