// Convolutions and dense layers of bytes: products of matrices whose sums are exact. A block of 256 threads makes a tile
// of the product, 64 terms at a time through shared memory, where four neighbouring terms of a line are one word; so are
// four channels in memory, if their number is a multiple of four.
//
// x (N, cells, C), where a cell outside holds the zero of x   weight int8 (taps, C/groups, K)   y (N, places, K); a
// block's z is its group. ``Way`` is how words are multiplied: ByDotProducts, or InFragments (byte_convolution_tensor.cu).
#pragma once
#include "byte_rounding.cuh"
#include "window.cuh"

const int THREADS = 256, COLUMNS = 64, WORDS = 16, EACH = 4, TERMS = WORDS * EACH;

// Sixteen bytes, read at once. A line of a tile is four of them and one more, so that lines begin in different banks.
struct alignas(16) FourWords {
  u32 at[EACH];
};
const int FOURS = WORDS / EACH, LINE = FOURS + 1;

// What becomes of a sum of products. Mirrors `ByteEnding` in geometry.py.
struct ByteEnding {
  Rounding rounding;
  const u8* residual;
  float residual_scale;
  int residual_zero, in_bytes;
};

// bias, factor (K); y (rows, K)
struct StoreSums {
  const int* bias;
  const float* factor;
  void* y;
  int width, first_column;
  ByteEnding ending;
  MEMBER void put(int row, int column, int sum) const {
    int channel = first_column + column;
    i64 place = (i64)row * width + channel;
    float number = (float)(int)((u32)sum + (u32)bias[channel]) * factor[channel];
    if (!ending.in_bytes) {
      static_cast<float*>(y)[place] = number;
      return;
    }
    if (ending.residual) number += (float)(ending.residual[place] - ending.residual_zero) * ending.residual_scale;
    static_cast<u8*>(y)[place] = ending.rounding.of(number);
  }
};

DEVICE u32 four_times(int byte) { return (u32)byte * 0x01010101u; }

// The words of x that a thread brings: the same word of every sixteenth line. A line is a sample and place.
template <int LINES>
struct BroughtBytes {
  static const int COUNT = LINES / (THREADS / WORDS);
  const Convolution& conv;
  const u8* samples[COUNT];
  Cell places[COUNT];
  u32 words[COUNT];
  int channels, terms, word;
  u32 outside;
  MEMBER BroughtBytes(const u8* x, const Convolution& conv, int first, int rows, int zero)
      : conv(conv), channels(conv.group_inputs()), word(threadIdx.x % WORDS), outside(four_times(zero)) {
    terms = volume(conv.window.size) * channels;
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    int places_in_all = volume(conv.window.output);
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      int line = first + line_of(i);
      if (line >= rows) line = 0;  // no sum of it is stored
      samples[i] = x + line / places_in_all * size + blockIdx.z * channels;
      places[i] = cell_of(line % places_in_all, conv.window.output);
    }
  }
  MEMBER int line_of(int i) const { return threadIdx.x / WORDS + i * (THREADS / WORDS); }
  // Where a number lies; null outside, and behind the last term, where weights are zero.
  MEMBER const u8* find(int i, const Cell& tap, int channel, bool within) const {
    int cell = within ? input_cell(conv.window, places[i], tap) : -1;
    return cell < 0 ? nullptr : samples[i] + (i64)cell * conv.input_channels + channel;
  }
  MEMBER void read(int step) {
    int first = step * TERMS + word * EACH;
    if (channels % EACH == 0) {
      Cell tap = cell_of(first / channels, conv.window.size);
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        const u8* from = find(i, tap, first % channels, first < terms);
        words[i] = from ? *reinterpret_cast<const u32*>(from) : outside;
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < COUNT; i++) words[i] = 0;
#pragma unroll 1
    for (int each = 0; each < EACH; each++) {
      int term = first + each;
      Cell tap = cell_of(term / channels, conv.window.size);
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        const u8* from = find(i, tap, term % channels, term < terms);
        words[i] |= (from ? *from : outside & 0xffu) << (8 * each);
      }
    }
  }
  MEMBER void put(FourWords (*tile)[LINE]) const {
#pragma unroll
    for (int i = 0; i < COUNT; i++) tile[line_of(i)][word / EACH].at[word % EACH] = words[i];
  }
};

// The weights that a thread brings: four terms of four columns, which are turned so that a word has the terms of one.
struct BroughtWeights {
  const u8* weight;
  int width, columns, terms, column, word;
  u32 rows[EACH];
  MEMBER BroughtWeights(const signed char* weight, const Convolution& conv, int first_column)
      : width(conv.output_channels), columns(conv.group_outputs()) {
    terms = volume(conv.window.size) * conv.group_inputs();
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;  // eight neighbouring threads read 32 neighbouring bytes
    column = first_column + (lane % 8 + warp % 2 * 8) * EACH;
    word = lane / 8 + warp / 2 * EACH;
    this->weight = reinterpret_cast<const u8*>(weight) + blockIdx.z * columns;
  }
  MEMBER void read(int step) {
#pragma unroll
    for (int each = 0; each < EACH; each++) {
      int term = step * TERMS + word * EACH + each;
      const u8* from = weight + (i64)term * width + column;
      rows[each] = 0;
      if (term >= terms) continue;
      if (columns % EACH == 0 && width % EACH == 0) {
        if (column < columns) rows[each] = *reinterpret_cast<const u32*>(from);
        continue;
      }
#pragma unroll
      for (int i = 0; i < EACH; i++)
        if (column + i < columns) rows[each] |= (u32)from[i] << (8 * i);
    }
  }
  MEMBER void put(FourWords (*tile)[LINE], int first_column) const {
    u32 low[2], high[2];  // of both pairs of rows the first two columns, and the last two
#pragma unroll
    for (int pair = 0; pair < 2; pair++) {
      low[pair] = pick_bytes(rows[2 * pair], rows[2 * pair + 1], 0x5140);
      high[pair] = pick_bytes(rows[2 * pair], rows[2 * pair + 1], 0x7362);
    }
    u32 turned[EACH] = {pick_bytes(low[0], low[1], 0x5410), pick_bytes(low[0], low[1], 0x7632),
                        pick_bytes(high[0], high[1], 0x5410), pick_bytes(high[0], high[1], 0x7632)};
#pragma unroll
    for (int i = 0; i < EACH; i++) tile[column - first_column + i][word / EACH].at[word % EACH] = turned[i];
  }
};

template <class Way>
DEVICE void convolve_bytes(const u8* x, const signed char* weight, const int* bias, const float* factor, void* y,
                           int samples, const Convolution& conv, int zero, const ByteEnding& ending) {
  SHARED(FourWords, x_tile, [2][Way::ROWS][LINE]);
  SHARED(FourWords, weight_tile, [2][COLUMNS][LINE]);
  int rows = samples * volume(conv.window.output), columns = conv.group_outputs();
  int first_row = blockIdx.x * Way::ROWS, first_column = blockIdx.y * COLUMNS;
  BroughtBytes<Way::ROWS> from_x(x, conv, first_row, rows, zero);
  BroughtWeights from_weight(weight, conv, first_column);
  Way sums;
  // Two tiles take turns, so that one barrier for every 64 terms is enough.
  int steps = (from_x.terms + TERMS - 1) / TERMS;
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
      from_x.read(step);
      from_weight.read(step);
    }
    if (step > 0) sums.add(x_tile[(step - 1) % 2], weight_tile[(step - 1) % 2]);
    if (step < steps) {
      from_x.put(x_tile[step % 2]);
      from_weight.put(weight_tile[step % 2], first_column);
    }
    barrier();
  }
  StoreSums store = {bias, factor, y, conv.output_channels, (int)blockIdx.z * columns, ending};
  sums.store(store, first_row, first_column, rows, columns);
}
