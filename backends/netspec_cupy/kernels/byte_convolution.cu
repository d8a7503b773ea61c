// Convolutions of bytes by dot products of four bytes, which every GPU has that is young enough; and those of small groups
// number by number. byte_convolution.cuh says how.
// compiled with --fmad=false
#include "byte_convolution.cuh"

// A thread makes 4 x 4 numbers, of every sixteenth row and column.
struct ByDotProducts {
  static const int ROWS = 64, APART = 16;
  int sums[EACH][EACH];
  int across, down;
  MEMBER ByDotProducts() : sums(), across(threadIdx.x % APART), down(threadIdx.x / APART) {}
  MEMBER void add(const FourWords (*x)[LINE], const FourWords (*weight)[LINE]) {
#pragma unroll
    for (int four = 0; four < FOURS; four++) {
      FourWords a[EACH], b[EACH];
#pragma unroll
      for (int i = 0; i < EACH; i++) {
        a[i] = x[down + i * APART][four];
        b[i] = weight[across + i * APART][four];
      }
#pragma unroll
      for (int word = 0; word < EACH; word++)
#pragma unroll
        for (int i = 0; i < EACH; i++)
#pragma unroll
          for (int j = 0; j < EACH; j++) sums[i][j] = dot_of_bytes(a[i].at[word], b[j].at[word], sums[i][j]);
    }
  }
  MEMBER void store(const StoreSums& to, int first_row, int first_column, int rows, int columns) const {
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        int row = first_row + down + i * APART, column = first_column + across + j * APART;
        if (row < rows && column < columns) to.put(row, column, sums[i][j]);
      }
  }
};

KERNEL(byte_convolution, 256, 168)
(const u8* x, const signed char* weight, const int* bias, const float* factor, void* y, int samples, Convolution conv,
 int zero, ByteEnding ending) {
  convolve_bytes<ByDotProducts>(x, weight, bias, factor, y, samples, conv, zero, ending);
}
EXPORT(byte_convolution)

// A thread for every number: for groups of so few channels that a tile would be nearly empty.
KERNEL(byte_convolution_of_groups, 256, 64)
(const u8* x, const signed char* weight, const int* bias, const float* factor, void* y, Convolution conv, int zero,
 ByteEnding ending) {
  const Window& w = conv.window;
  Own own(volume(w.output), conv.output_channels);
  if (!own.inside) return;
  int channels = conv.group_inputs(), taps = volume(w.size), sum = 0;
  Cell place = cell_of(own.cell, w.output);
  const u8* first = x + own.sample * volume(w.input) * conv.input_channels +
                    own.channel / conv.group_outputs() * channels;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    for (int channel = 0; channel < channels; channel++) {
      int byte = cell < 0 ? zero : first[(i64)cell * conv.input_channels + channel];
      sum += byte * weight[((i64)tap * channels + channel) * conv.output_channels + own.channel];
    }
  }
  StoreSums store = {bias, factor, y, conv.output_channels, 0, ending};
  store.put((int)(own.sample * volume(w.output)) + own.cell, own.channel, sum);
}
EXPORT(byte_convolution_of_groups)
