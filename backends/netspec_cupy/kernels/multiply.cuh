// Matrix products in float32: a block makes a tile of 64 x 64 of the product, 16 terms at a time through shared memory,
// and each of its 256 threads 4 x 4 numbers of it. What is multiplied is up to three small classes:
//
//   Left   Row row(int m): all that is the same for a row; float at(Row, int k): its number k
//          BY_ROW: whether neighbouring rows, and not neighbouring k, lie side by side in memory
//   Right  float at(int k, int n)
//   Store  void put(int m, int n, float sum)
//
// Two tiles of shared memory take turns, so that one barrier for every 16 terms is enough.
#pragma once
#include "device.cuh"

const int TILE = 64, TERMS = 16, EACH = 4, MULTIPLY_THREADS = 256;

template <class Left, class Right, class Store>
DEVICE void multiply_tile(int rows, int columns, int first_term, int end_term, const Left& left, const Right& right,
                          const Store& store) {
  SHARED(float, left_tile, [2][TERMS][TILE + 4]);
  SHARED(float, right_tile, [2][TERMS][TILE + 4]);
  int thread = threadIdx.x, first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE;
  int across = thread % 16, down = thread / 16;
  typename Left::Row held[EACH];
  int row_of[EACH], term_of[EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    row_of[i] = Left::BY_ROW ? thread % TILE : thread / TERMS + i * TERMS;
    term_of[i] = Left::BY_ROW ? thread / TILE + i * EACH : thread % TERMS;
    held[i] = left.row(first_row + row_of[i] < rows ? first_row + row_of[i] : 0);
  }
  float sums[EACH][EACH] = {};
  float from_left[EACH], from_right[EACH];
  int steps = (end_term - first_term + TERMS - 1) / TERMS;
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
#pragma unroll
      for (int i = 0; i < EACH; i++) {
        int term = first_term + step * TERMS + term_of[i];
        from_left[i] = term < end_term && first_row + row_of[i] < rows ? left.at(held[i], term) : 0.f;
        int row = first_term + step * TERMS + thread / TILE + i * EACH, column = first_column + thread % TILE;
        from_right[i] = row < end_term && column < columns ? right.at(row, column) : 0.f;
      }
    }
    if (step > 0) {
      int turn = (step - 1) % 2;
#pragma unroll
      for (int term = 0; term < TERMS; term++) {
        float a[EACH], b[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          a[i] = left_tile[turn][term][down * EACH + i];
          b[i] = right_tile[turn][term][across * EACH + i];
        }
#pragma unroll
        for (int i = 0; i < EACH; i++)
#pragma unroll
          for (int j = 0; j < EACH; j++) sums[i][j] += a[i] * b[j];
      }
    }
    if (step < steps) {
#pragma unroll
      for (int i = 0; i < EACH; i++) {
        left_tile[step % 2][term_of[i]][row_of[i]] = from_left[i];
        right_tile[step % 2][thread / TILE + i * EACH][thread % TILE] = from_right[i];
      }
    }
    barrier();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      int row = first_row + down * EACH + i, column = first_column + across * EACH + j;
      if (row < rows && column < columns) store.put(row, column, sums[i][j]);
    }
}
