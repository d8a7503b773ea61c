// Convolutions of bytes on tensor cores: the same numbers to the bit. byte_convolution.cuh says how.
// needs sm_80
// compiled with --fmad=false
#include "byte_convolution.cuh"

// Each of eight warps makes 32 x 32 numbers of 128 x 64, by fragments of mma.m16n8k32: lane l has rows l/4 and l/4 + 8 of
// the left one and column l/4 of the right one, and of both the words l%4 and l%4 + 4 of eight.
struct InFragments {
  static const int ROWS = 128, DOWN = 2, ACROSS = 4, DEEP = 8;
  int sums[DOWN][ACROSS][4];
  int row, column, group, place;
  MEMBER InFragments() : sums() {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    row = warp / 2 * DOWN * 16;
    column = warp % 2 * ACROSS * 8;
    group = lane / 4;
    place = lane % 4;
  }
  MEMBER void add(const FourWords (*x)[LINE], const FourWords (*weight)[LINE]) {
#pragma unroll
    for (int deep = 0; deep < WORDS / DEEP; deep++) {
      u32 a[DOWN][4], b[ACROSS][2];
#pragma unroll
      for (int i = 0; i < DOWN; i++)
#pragma unroll
        for (int each = 0; each < 4; each++)
          a[i][each] = x[row + i * 16 + group + each % 2 * 8][deep * 2 + each / 2].at[place];
#pragma unroll
      for (int j = 0; j < ACROSS; j++)
#pragma unroll
        for (int each = 0; each < 2; each++) b[j][each] = weight[column + j * 8 + group][deep * 2 + each].at[place];
#pragma unroll
      for (int i = 0; i < DOWN; i++)
#pragma unroll
        for (int j = 0; j < ACROSS; j++) multiply_add_bytes(sums[i][j], a[i], b[j]);
    }
  }
  MEMBER void store(const StoreSums& to, int first_row, int first_column, int rows, int columns) const {
#pragma unroll
    for (int i = 0; i < DOWN; i++)
#pragma unroll
      for (int j = 0; j < ACROSS; j++)
#pragma unroll
        for (int each = 0; each < 4; each++) {
          int down = first_row + row + i * 16 + group + each / 2 * 8;
          int across = first_column + column + j * 8 + place * 2 + each % 2;
          if (down < rows && across < columns) to.put(down, across, sums[i][j][each]);
        }
  }
};

KERNEL(byte_convolution_tensor, 256, 168)
(const u8* x, const signed char* weight, const int* bias, const float* factor, void* y, int samples, Convolution conv,
 int zero, ByteEnding ending) {
  convolve_bytes<InFragments>(x, weight, bias, factor, y, samples, conv, zero, ending);
}
EXPORT(byte_convolution_tensor)
