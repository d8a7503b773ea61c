// Matrix products in float32: a block makes a tile of 64 x 64 of the product, 16 terms at a time through shared memory,
// and each of its 256 threads 4 x 4 numbers of it. What is multiplied is up to three small classes, which products on
// tensor cores (tensor_cores.cuh) take as well:
//
//   Left, Right   a factor: its lines are the rows of the left one and the columns of the right one
//     Line line(int), Term term(int)   all that is the same for a line, or for a term of the sums
//     Stored                           what its numbers are stored as: float, or bf16
//     const Stored* find(Line, Term)   where the number lies; null where it is zero
//     ALONG_TERMS                      whether neighbours along the terms, and not along the lines, lie side by side
//     bool wide                        whether 16 bytes of them do, at addresses that are multiples of 16
//   Store
//     void put(int row, int column, float sum)
//
// Two tiles of shared memory take turns, so that one barrier for every 16 terms is enough.
#pragma once
#include "device.cuh"

template <class Number>
DEVICE bool is_wide(int numbers) {
  return numbers % (16 / (int)sizeof(Number)) == 0;
}

const int TILE = 64, TERMS = 16, EACH = 4, MULTIPLY_THREADS = 256;

// Which numbers of a factor's tile a thread brings, and those that it has read.
template <class Factor>
struct Brought {
  typename Factor::Line lines[EACH];
  float numbers[EACH];
  int lines_in_all, first_line;
  MEMBER int line(int i) const {
    return Factor::ALONG_TERMS ? (int)threadIdx.x / TERMS + i * TERMS : (int)threadIdx.x % TILE;
  }
  MEMBER int term(int i) const {
    return Factor::ALONG_TERMS ? (int)threadIdx.x % TERMS : (int)threadIdx.x / TILE + i * EACH;
  }
  MEMBER Brought(const Factor& factor, int first, int count) : lines_in_all(count), first_line(first) {
#pragma unroll
    for (int i = 0; i < EACH; i++) lines[i] = factor.line(first + line(i) < count ? first + line(i) : 0);
  }
  MEMBER void read(const Factor& factor, int first_term, int end_term) {
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      int at = first_term + term(i);
      const float* from = nullptr;
      if (at < end_term && first_line + line(i) < lines_in_all) from = factor.find(lines[i], factor.term(at));
      numbers[i] = from ? *from : 0.f;
    }
  }
  MEMBER void put(float (*tile)[TILE + 4]) const {
#pragma unroll
    for (int i = 0; i < EACH; i++) tile[term(i)][line(i)] = numbers[i];
  }
};

template <class Left, class Right, class Store>
DEVICE void multiply_tile(int rows, int columns, int first_term, int end_term, const Left& left, const Right& right,
                          const Store& store) {
  SHARED(float, left_tile, [2][TERMS][TILE + 4]);
  SHARED(float, right_tile, [2][TERMS][TILE + 4]);
  int thread = threadIdx.x, first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE;
  int across = thread % 16, down = thread / 16;
  Brought<Left> from_left(left, first_row, rows);
  Brought<Right> from_right(right, first_column, columns);
  float sums[EACH][EACH] = {};
  int steps = (end_term - first_term + TERMS - 1) / TERMS;
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
      from_left.read(left, first_term + step * TERMS, end_term);
      from_right.read(right, first_term + step * TERMS, end_term);
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
      from_left.put(left_tile[step % 2]);
      from_right.put(right_tile[step % 2]);
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

// How a product is made: on the ordinary cores.
struct InFloat32 {
  typedef float Number;
  template <class Left, class Right, class Store>
  MEMBER static void multiply(int rows, int columns, int first_term, int end_term, const Left& left,
                              const Right& right, const Store& store) {
    multiply_tile(rows, columns, first_term, end_term, left, right, store);
  }
};
