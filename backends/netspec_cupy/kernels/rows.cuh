// Sums over the rows of a table, in chunks: what one block adds up.
#pragma once
#include "device.cuh"

const int COLUMNS = 32, ROWS = 8;

// parts (chunks, SUMS, columns): what ``terms.at(row, column, values)`` adds up to in a chunk.
template <int SUMS, class Terms>
DEVICE void sum_chunk(const Terms& terms, float* parts, int rows, int columns, int chunk_rows) {
  SHARED(float, of_rows, [SUMS][ROWS][COLUMNS]);
  int across = threadIdx.x % COLUMNS, down = threadIdx.x / COLUMNS;
  int column = blockIdx.x * COLUMNS + across, first = blockIdx.y * chunk_rows;
  int end = first + chunk_rows < rows ? first + chunk_rows : rows;
  float sums[SUMS] = {};
  if (column < columns)
    for (int row = first + down; row < end; row += ROWS) {
      float values[SUMS];
      terms.at(row, column, values);
      for (int each = 0; each < SUMS; each++) sums[each] += values[each];
    }
  for (int each = 0; each < SUMS; each++) of_rows[each][down][across] = sums[each];
  barrier();
  if (down < SUMS && column < columns) {
    float total = 0.f;
    for (int row = 0; row < ROWS; row++) total += of_rows[down][row][across];
    parts[((i64)blockIdx.y * SUMS + down) * columns + column] = total;
  }
}
