// Matrix products in float32 by larger tiles: a block makes 128 x 128 numbers of the product, 8 terms at a time, and each
// of its 256 threads 8 x 8 of them. A thread brings four numbers of each factor (see multiply.cuh) with one look at
// which tap and channel they are of, as 16 bytes where they lie so; in shared memory it reads 16 bytes at a time too.
#pragma once
#include "device.cuh"

const int WIDE_TILE = 128, WIDE_TERMS = 8, FOURS = WIDE_TILE / 4;

// Four numbers of a factor's tile that a thread brings: neighbours along the terms, or along the lines.
template <class Factor>
struct BroughtFour {
  static const bool ALONG = Factor::ALONG_TERMS;
  static const int LINES = ALONG ? 1 : 4;
  typename Factor::Line lines[LINES];
  Four numbers;
  int first_line, end_line;
  MEMBER static int line() { return ALONG ? (int)threadIdx.x / 2 : (int)threadIdx.x % FOURS * 4; }
  MEMBER static int term() { return ALONG ? (int)threadIdx.x % 2 * 4 : (int)threadIdx.x / FOURS; }
  MEMBER BroughtFour(const Factor& factor, int first, int count) : first_line(first + line()), end_line(count) {
#pragma unroll
    for (int i = 0; i < LINES; i++) lines[i] = factor.line(first_line + i < count ? first_line + i : 0);
  }
  MEMBER void read(const Factor& factor, int first_term, int end_term) {
    int own = first_term + term();
    numbers = {{0.f, 0.f, 0.f, 0.f}};
    if (own >= end_term || first_line >= end_line) return;
    typename Factor::Term at = factor.term(own);
    if (factor.wide) {
      const float* from = factor.find(lines[0], at);
      if (from) numbers = load_four(from);
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (ALONG && i) {
        if (own + i >= end_term) return;
        at = factor.term(own + i);
      }
      if (!ALONG && first_line + i >= end_line) return;
      const float* from = factor.find(lines[ALONG ? 0 : i], at);
      if (from) numbers.at[i] = *from;
    }
  }
  MEMBER void put(Four (*tile)[FOURS + 1]) const {
    if constexpr (ALONG) {
#pragma unroll
      for (int i = 0; i < 4; i++) tile[term() + i][line() / 4].at[line() % 4] = numbers.at[i];
    } else {
      store_four(tile[term()][line() / 4].at, numbers);
    }
  }
};

// How a product is made: on the ordinary cores, by tiles of 128 x 128.
struct InFloat32Wide {
  typedef float Number;
  template <class Left, class Right, class Store>
  MEMBER static void multiply(int rows, int columns, int first_term, int end_term, const Left& left,
                              const Right& right, const Store& store) {
    SHARED(Four, left_tile, [2][WIDE_TERMS][FOURS + 1]);
    SHARED(Four, right_tile, [2][WIDE_TERMS][FOURS + 1]);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int down = warp / 2 * 4 + lane / 8, across = warp % 2 * 8 + lane % 8;  // a warp has 4 x 8 threads
    int first_row = blockIdx.x * WIDE_TILE, first_column = blockIdx.y * WIDE_TILE;
    BroughtFour<Left> from_left(left, first_row, rows);
    BroughtFour<Right> from_right(right, first_column, columns);
    float sums[8][8] = {};
    int steps = (end_term - first_term + WIDE_TERMS - 1) / WIDE_TERMS;
    for (int step = 0; step <= steps; step++) {
      if (step < steps) {
        from_left.read(left, first_term + step * WIDE_TERMS, end_term);
        from_right.read(right, first_term + step * WIDE_TERMS, end_term);
      }
      if (step > 0) {
        int done = (step - 1) % 2;
#pragma unroll
        for (int term = 0; term < WIDE_TERMS; term++) {
          Four a[2], b[2];
#pragma unroll
          for (int half = 0; half < 2; half++) {
            a[half] = load_four(left_tile[done][term][down + half * FOURS / 2].at);
            b[half] = load_four(right_tile[done][term][across + half * FOURS / 2].at);
          }
#pragma unroll
          for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) sums[i][j] += a[i / 4].at[i % 4] * b[j / 4].at[j % 4];
        }
      }
      if (step < steps) {
        from_left.put(left_tile[step % 2]);
        from_right.put(right_tile[step % 2]);
      }
      barrier();
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
      for (int j = 0; j < 8; j++) {
        int row = first_row + i / 4 * WIDE_TILE / 2 + down * 4 + i % 4;
        int column = first_column + j / 4 * WIDE_TILE / 2 + across * 4 + j % 4;
        if (row < rows && column < columns) store.put(row, column, sums[i][j]);
      }
  }
};
