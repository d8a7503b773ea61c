// Convolutions with a 3x3 window and stride 1 by Winograd's algorithm (winograd.cuh): what is under the windows is
// spread into tiles of numbers in another domain, where a convolution is a product of matrices for each place of a
// tile (winograd_products.cu), and gathered again. Some samples at a time, so that what lies in between stays in the cache.
//
// v (places, tiles, C)  u (places, C/groups, K)  m (places, tiles, K)
#include "finish.cuh"
#include "winograd.cuh"

KERNEL(winograd2_input, 256, 80)(const float* x, float* v, int first, int samples, Tiled tiled) {
  spread_tiles<Short<2>::Input>(x, v, first, samples, 2, tiled);
}
EXPORT(winograd2_input)

KERNEL(winograd4_input, 256, 128)(const float* x, float* v, int first, int samples, Tiled tiled) {
  spread_tiles<Short<4>::Input>(x, v, first, samples, 4, tiled);
}
EXPORT(winograd4_input)

KERNEL(winograd2_gradient, 256, 80)(const float* dy, float* m, int first, int samples, Tiled tiled) {
  spread_tiles<Short<2>::Gradient>(dy, m, first, samples, 2, tiled);
}
EXPORT(winograd2_gradient)

KERNEL(winograd4_gradient, 256, 128)(const float* dy, float* m, int first, int samples, Tiled tiled) {
  spread_tiles<Short<4>::Gradient>(dy, m, first, samples, 4, tiled);
}
EXPORT(winograd4_gradient)

// u (places, size) from weights (9, size), whose taps are turned about for the data gradient
template <class Matrix>
DEVICE void spread_weights(const float* weight, float* u, int size, int turned) {
  int own = blockIdx.x * blockDim.x + threadIdx.x;
  if (own >= size) return;
  float given[3][3], made[Matrix::TO][Matrix::TO];
#pragma unroll
  for (int tap = 0; tap < 9; tap++) given[tap / 3][tap % 3] = weight[(i64)(turned ? 8 - tap : tap) * size + own];
  both_ways<Matrix>(given, made);
#pragma unroll
  for (int i = 0; i < Matrix::TO; i++)
#pragma unroll
    for (int j = 0; j < Matrix::TO; j++) u[(i64)(i * Matrix::TO + j) * size + own] = made[i][j];
}

KERNEL(winograd2_weights, 256, 64)(const float* weight, float* u, int size, int turned) {
  spread_weights<Short<2>::Weight>(weight, u, size, turned);
}
EXPORT(winograd2_weights)

KERNEL(winograd4_weights, 256, 96)(const float* weight, float* u, int size, int turned) {
  spread_weights<Short<4>::Weight>(weight, u, size, turned);
}
EXPORT(winograd4_weights)

// y (N, sides, K) = bias + what the tiles of m are gathered to
template <class Matrix>
DEVICE void gather_tiles(const float* m, const float* bias, float* y, int first, int samples, const Tiled& tiled,
                         const Finish& finish) {
  OwnTile own(tiled, first, samples, Matrix::TO);
  if (!own.inside) return;
  float given[Matrix::FROM][Matrix::FROM], made[Matrix::TO][Matrix::TO];
#pragma unroll
  for (int i = 0; i < Matrix::FROM; i++)
#pragma unroll
    for (int j = 0; j < Matrix::FROM; j++) given[i][j] = m[(i * Matrix::FROM + j) * own.count + own.number];
  both_ways<Matrix>(given, made);
  float shift = bias ? bias[own.channel] : 0.f;
#pragma unroll
  for (int i = 0; i < Matrix::TO; i++)
#pragma unroll
    for (int j = 0; j < Matrix::TO; j++) {
      i64 place = own.place(tiled, i, j);
      if (place >= 0) y[place] = finish.of(made[i][j] + shift, place);
    }
}

KERNEL(winograd2_output, 256, 80)
(const float* m, const float* bias, float* y, int first, int samples, Tiled tiled, Finish finish) {
  gather_tiles<Short<2>::Output>(m, bias, y, first, samples, tiled, finish);
}
EXPORT(winograd2_output)

KERNEL(winograd4_output, 256, 128)
(const float* m, const float* bias, float* y, int first, int samples, Tiled tiled, Finish finish) {
  gather_tiles<Short<4>::Output>(m, bias, y, first, samples, tiled, finish);
}
EXPORT(winograd4_output)

// dw (9, size) from the sums (parts, places, size), added up in their order
template <class Matrix>
DEVICE void gather_weights(const float* sums, float* dw, int size, int part_count) {
  int own = blockIdx.x * blockDim.x + threadIdx.x;
  if (own >= size) return;
  float given[Matrix::FROM][Matrix::FROM], made[3][3];
#pragma unroll
  for (int i = 0; i < Matrix::FROM; i++)
#pragma unroll
    for (int j = 0; j < Matrix::FROM; j++) {
      given[i][j] = 0.f;
      for (int part = 0; part < part_count; part++)
        given[i][j] += sums[((i64)part * Matrix::FROM * Matrix::FROM + i * Matrix::FROM + j) * size + own];
    }
  both_ways<Matrix>(given, made);
#pragma unroll
  for (int tap = 0; tap < 9; tap++) dw[(i64)tap * size + own] = made[tap / 3][tap % 3];
}

KERNEL(winograd2_join, 256, 64)(const float* sums, float* dw, int size, int part_count) {
  gather_weights<Short<2>::WeightSum>(sums, dw, size, part_count);
}
EXPORT(winograd2_join)

KERNEL(winograd4_join, 256, 96)(const float* sums, float* dw, int size, int part_count) {
  gather_weights<Short<4>::WeightSum>(sums, dw, size, part_count);
}
EXPORT(winograd4_join)
