// Softmax and cross-entropy: a warp for each row of a table (rows, classes), eight rows a block.
#include "reduce.cuh"

const int LANES_OF_ROW = 32;

struct Row {
  i64 number, first;  // its number, and that of its first element
  int lane;
  bool inside;
};

DEVICE Row own_row(int rows, int classes) {
  i64 number = (i64)blockIdx.x * (blockDim.x / LANES_OF_ROW) + threadIdx.x / LANES_OF_ROW;
  return {number, number * classes, (int)(threadIdx.x % LANES_OF_ROW), number < rows};
}

// The largest number of a row, and the logarithm of the sum of its powers less that.
struct Powers {
  float top, sum;
};

DEVICE Powers powers_of(const Row& row, const float* z, int classes) {
  float top = -INFINITE;
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) top = maximum(top, z[row.first + k]);
  top = warp_maximum(top);
  float sum = 0.f;
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) sum += expf(z[row.first + k] - top);
  return {top, warp_sum(sum)};
}

KERNEL(softmax_forward, 256, 32)(const float* x, float* y, int samples, int positions, int classes) {
  Row row = own_row(samples * positions, classes);
  Powers powers = powers_of(row, x, classes);
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW)
    y[row.first + k] = expf(x[row.first + k] - powers.top) / powers.sum;
}
EXPORT(softmax_forward)

// dx = y (dy - the sum over the row of y dy)
KERNEL(softmax_gradient, 256, 32)(const float* y, const float* dy, float* dx, int samples, int positions, int classes) {
  Row row = own_row(samples * positions, classes);
  float along = 0.f;
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) along += y[row.first + k] * dy[row.first + k];
  along = warp_sum(along);
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW)
    dx[row.first + k] = y[row.first + k] * (dy[row.first + k] - along);
}
EXPORT(softmax_gradient)

// What a loss is told of its targets: class numbers, or a number for each class; the other of the two is null.
struct Targets {
  const int* labels;
  const float* shares;
  const float* weights;
  float smoothing;
  int classes;
  // Target of class k times its weight, without smoothing; NaN where the label is no class.
  MEMBER float plain(const Row& row, int k) const {
    float weight = weights ? weights[k] : 1.f;
    if (!labels) return weight * shares[row.first + k];
    int label = labels[row.number];
    return label < 0 || label >= classes ? NOT_A_NUMBER : k == label ? weight : 0.f;
  }
  MEMBER float smooth(const Row& row, int k) const {
    return (1.f - smoothing) * plain(row, k) + smoothing / classes * (weights ? weights[k] : 1.f);
  }
};

// Per row its loss, and what it adds to the divisor: the weight of its label, or 1.
KERNEL(cross_entropy_rows, 256, 32)
(const float* z, const int* labels, const float* shares, const float* weights, float smoothing, float* losses,
 float* divisors, int samples, int positions, int classes) {
  Row row = own_row(samples * positions, classes);
  Targets targets = {labels, shares, weights, smoothing, classes};
  Powers powers = powers_of(row, z, classes);
  float log_sum = powers.top + logf(powers.sum), loss = 0.f, weight = 0.f;
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) {
    loss += targets.smooth(row, k) * (log_sum - z[row.first + k]);
    weight += targets.plain(row, k);
  }
  loss = warp_sum(loss);
  weight = warp_sum(weight);
  if (row.inside && row.lane == 0) {
    losses[row.number] = loss;
    divisors[row.number] = labels ? weight : 1.f;
  }
}
EXPORT(cross_entropy_rows)

// loss, divisor: the sums of both over the rows, in order; the first over the second
KERNEL(cross_entropy_mean, 256, 32)
(const float* losses, const float* divisors, float* loss, float* divisor, int samples, int positions) {
  double of_losses = 0.0, of_divisors = 0.0;
  for (int row = threadIdx.x; row < samples * positions; row += blockDim.x) {
    of_losses += losses[row];
    of_divisors += divisors[row];
  }
  of_losses = block_sum(of_losses);
  of_divisors = block_sum(of_divisors);
  if (threadIdx.x == 0) {
    loss[0] = (float)(of_losses / of_divisors);
    divisor[0] = (float)of_divisors;
  }
}
EXPORT(cross_entropy_mean)

// dz = (the sum of the row's targets times its softmax, minus its targets) / divisor * dloss
KERNEL(cross_entropy_gradient, 256, 32)
(const float* z, const int* labels, const float* shares, const float* weights, float smoothing, const float* divisor,
 const float* dloss, float* dz, int samples, int positions, int classes) {
  Row row = own_row(samples * positions, classes);
  Targets targets = {labels, shares, weights, smoothing, classes};
  Powers powers = powers_of(row, z, classes);
  float sum = 0.f;
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) sum += targets.smooth(row, k);
  sum = warp_sum(sum);
  for (int k = row.lane; k < classes && row.inside; k += LANES_OF_ROW) {
    float probability = expf(z[row.first + k] - powers.top) / powers.sum;
    dz[row.first + k] = (probability * sum - targets.smooth(row, k)) / divisor[0] * dloss[0];
  }
}
EXPORT(cross_entropy_gradient)
