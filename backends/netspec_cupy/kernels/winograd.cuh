// Winograd's short convolutions: SIDE neighbouring outputs of a window of three, from SIDE + 2 inputs with SIDE + 2
// multiplications where the definition takes 3 SIDE. In two dimensions, for a tile of SIDE x SIDE outputs (Lavin and
// Gray, "Fast algorithms for convolutional neural networks", 2016, https://arxiv.org/abs/1509.09308):
//
//   forward          y = A^T [(G w G^T) . (B^T x B)] A
//   weight gradient  dw = G^T [(A dy A^T) . (B^T x B)] G, summed over all tiles before it is transformed
//
// The matrices follow from points by the construction of Toom and Cook; the last point is infinity. Those of SIDE 4
// are 0, +-5/8 and +-3/2, with which rounding errors grow four times less than with 0, +-1 and +-2. Points come in pairs
// of opposite sign, so that what stands for a pair is the sum and the difference of an even and of an odd part.
#pragma once
#include "device.cuh"

// One of the matrices: ``of`` multiplies it with a vector of FROM numbers.
template <int From, int To>
struct Transform {
  static const int FROM = From, TO = To;
};

template <int SIDE>
struct Short;

template <>
struct Short<2> {
  struct Input : Transform<4, 4> {  // B^T
    MEMBER static void of(const float* x, float* t) {
      t[0] = x[2] - x[0];
      t[1] = x[2] + x[1];
      t[2] = x[2] - x[1];
      t[3] = x[3] - x[1];
    }
  };
  struct Weight : Transform<3, 4> {  // G
    MEMBER static void of(const float* w, float* t) {
      float even = 0.5f * (w[0] + w[2]), odd = 0.5f * w[1];
      t[0] = -w[0];
      t[1] = even + odd;
      t[2] = even - odd;
      t[3] = w[2];
    }
  };
  struct Output : Transform<4, 2> {  // A^T
    MEMBER static void of(const float* t, float* y) {
      y[0] = t[0] + t[1] + t[2];
      y[1] = t[1] - t[2] + t[3];
    }
  };
  struct Gradient : Transform<2, 4> {  // A
    MEMBER static void of(const float* y, float* t) {
      t[0] = y[0];
      t[1] = y[0] + y[1];
      t[2] = y[0] - y[1];
      t[3] = y[1];
    }
  };
  struct WeightSum : Transform<4, 3> {  // G^T
    MEMBER static void of(const float* t, float* w) {
      float even = 0.5f * (t[1] + t[2]);
      w[0] = even - t[0];
      w[1] = 0.5f * (t[1] - t[2]);
      w[2] = even + t[3];
    }
  };
};

constexpr float NEAR = 0.625f, FAR = 1.5f, NEAR2 = NEAR * NEAR, FAR2 = FAR * FAR, OF_ZERO = 1.f / (NEAR2 * FAR2);
constexpr float OF_NEAR = 0.5f / (NEAR2 * (NEAR2 - FAR2)), OF_FAR = 0.5f / (FAR2 * (FAR2 - NEAR2));

template <>
struct Short<4> {
  struct Input : Transform<6, 6> {  // B^T
    MEMBER static void of(const float* x, float* t) {
      float even = x[4] - FAR2 * x[2], odd = NEAR * (x[3] - FAR2 * x[1]);
      t[0] = x[4] - (NEAR2 + FAR2) * x[2] + NEAR2 * FAR2 * x[0];
      t[1] = even + odd;
      t[2] = even - odd;
      even = x[4] - NEAR2 * x[2];
      odd = FAR * (x[3] - NEAR2 * x[1]);
      t[3] = even + odd;
      t[4] = even - odd;
      t[5] = x[5] - (NEAR2 + FAR2) * x[3] + NEAR2 * FAR2 * x[1];
    }
  };
  struct Weight : Transform<3, 6> {  // G
    MEMBER static void of(const float* w, float* t) {
      float even = OF_NEAR * (w[0] + NEAR2 * w[2]), odd = OF_NEAR * NEAR * w[1];
      t[0] = OF_ZERO * w[0];
      t[1] = even + odd;
      t[2] = even - odd;
      even = OF_FAR * (w[0] + FAR2 * w[2]);
      odd = OF_FAR * FAR * w[1];
      t[3] = even + odd;
      t[4] = even - odd;
      t[5] = w[2];
    }
  };
  struct Output : Transform<6, 4> {  // A^T
    MEMBER static void of(const float* t, float* y) {
      float near_even = t[1] + t[2], near_odd = t[1] - t[2], far_even = t[3] + t[4], far_odd = t[3] - t[4];
      y[0] = t[0] + near_even + far_even;
      y[1] = NEAR * near_odd + FAR * far_odd;
      y[2] = NEAR2 * near_even + FAR2 * far_even;
      y[3] = NEAR2 * NEAR * near_odd + FAR2 * FAR * far_odd + t[5];
    }
  };
  struct Gradient : Transform<4, 6> {  // A
    MEMBER static void of(const float* y, float* t) {
      float even = y[0] + NEAR2 * y[2], odd = NEAR * y[1] + NEAR2 * NEAR * y[3];
      t[0] = y[0];
      t[1] = even + odd;
      t[2] = even - odd;
      even = y[0] + FAR2 * y[2];
      odd = FAR * y[1] + FAR2 * FAR * y[3];
      t[3] = even + odd;
      t[4] = even - odd;
      t[5] = y[3];
    }
  };
  struct WeightSum : Transform<6, 3> {  // G^T
    MEMBER static void of(const float* t, float* w) {
      float near_even = OF_NEAR * (t[1] + t[2]), near_odd = OF_NEAR * (t[1] - t[2]);
      float far_even = OF_FAR * (t[3] + t[4]), far_odd = OF_FAR * (t[3] - t[4]);
      w[0] = OF_ZERO * t[0] + near_even + far_even;
      w[1] = NEAR * near_odd + FAR * far_odd;
      w[2] = NEAR2 * near_even + FAR2 * far_even + t[5];
    }
  };
};

// made = matrix given matrix^T
template <class Matrix>
DEVICE void both_ways(const float (&given)[Matrix::FROM][Matrix::FROM], float (&made)[Matrix::TO][Matrix::TO]) {
  float half[Matrix::TO][Matrix::FROM];
#pragma unroll
  for (int j = 0; j < Matrix::FROM; j++) {
    float from[Matrix::FROM], to[Matrix::TO];
#pragma unroll
    for (int i = 0; i < Matrix::FROM; i++) from[i] = given[i][j];
    Matrix::of(from, to);
#pragma unroll
    for (int i = 0; i < Matrix::TO; i++) half[i][j] = to[i];
  }
#pragma unroll
  for (int i = 0; i < Matrix::TO; i++) Matrix::of(half[i], made[i]);
}

// A map (samples, sides, channels) as tiles; the first of them begins ``before`` cells ahead of it.
// Mirrors `Tiled` in geometry.py.
struct Tiled {
  int rows, columns, sides[2], before[2], channels;
  MEMBER int tiles() const { return rows * columns; }
};

// Where a thread works: on one channel of one tile. ``first`` is the sample that tiles are counted from.
struct OwnTile {
  i64 sample, of_sample, number, count;
  int channel, row, column;
  bool inside;
  MEMBER OwnTile(const Tiled& map, int first, int samples, int step) {
    number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    count = (i64)samples * map.tiles() * map.channels;
    inside = number < count;
    channel = (int)(number % map.channels);
    int tile = (int)(number / map.channels), within = tile % map.tiles();
    sample = first + tile / map.tiles();
    row = within / map.columns * step - map.before[0];
    column = within % map.columns * step - map.before[1];
    of_sample = sample * map.sides[0] * map.sides[1];
  }
  // Where the number of a cell of the tile lies in the map; -1 outside.
  MEMBER i64 place(const Tiled& map, int i, int j) const {
    int y = row + i, x = column + j;
    if (y < 0 || y >= map.sides[0] || x < 0 || x >= map.sides[1]) return -1;
    return (of_sample + (i64)y * map.sides[1] + x) * map.channels + channel;
  }
};

// tiles (places, tiles, channels) = the squares of ``Matrix`` over the map's tiles, each ``step`` beside the next
template <class Matrix>
DEVICE void spread_tiles(const float* map, float* tiles, int first, int samples, int step, const Tiled& tiled) {
  OwnTile own(tiled, first, samples, step);
  if (!own.inside) return;
  float given[Matrix::FROM][Matrix::FROM], made[Matrix::TO][Matrix::TO];
#pragma unroll
  for (int i = 0; i < Matrix::FROM; i++)
#pragma unroll
    for (int j = 0; j < Matrix::FROM; j++) {
      i64 place = own.place(tiled, i, j);
      given[i][j] = place < 0 ? 0.f : map[place];
    }
  both_ways<Matrix>(given, made);
#pragma unroll
  for (int i = 0; i < Matrix::TO; i++)
#pragma unroll
    for (int j = 0; j < Matrix::TO; j++) tiles[(i * Matrix::TO + j) * own.count + own.number] = made[i][j];
}
