// Matrix products on tensor cores: factors are rounded to TF32 or bfloat16, products are summed in float32. A block of
// 128 threads makes a tile of 128 x 64; each of its four warps has 32 rows of it. The factors (see multiply.cuh) come
// into shared memory by asynchronous copies, 32 terms at a time and two such stages ahead of the products, and are
// rounded as they leave it.
#pragma once
#include "device.cuh"

#if HAS_TENSOR_CORES

const int DOWN = 128, ACROSS = 64, DEEP = 32, STAGES = 3, TENSOR_THREADS = 128, WARP_DOWN = 32, FOUR = 4;

// Where a number lies in a tile of SIDE lines. Along the terms a line is 128 bytes, and its chunks of 16 are permuted;
// along the lines a term has 32 bytes more than it needs. Either way the 32 numbers that a warp reads at once, of 8
// lines and 4 terms, lie in 32 banks.
template <bool ALONG_TERMS, int SIDE>
struct TileOf {
  static const int NUMBERS = ALONG_TERMS ? SIDE * DEEP : DEEP * (SIDE + 8);
  float* numbers;
  MEMBER static int place(int line, int term) {
    return ALONG_TERMS ? line * DEEP + ((term / FOUR) ^ (line & 7)) * FOUR + term % FOUR : term * (SIDE + 8) + line;
  }
  MEMBER float at(int line, int term) const { return numbers[place(line, term)]; }
};

// The chunks of four numbers of a factor's tile that a thread has copied: SIDE / 16 in each stage.
template <class Factor, int SIDE>
struct Copied {
  static const bool ALONG = Factor::ALONG_TERMS;
  static const int CHUNKS = SIDE / 16, HELD = ALONG ? CHUNKS : FOUR;
  typedef TileOf<ALONG, SIDE> Tile;
  typename Factor::Line lines[HELD];
  int first_line, end_line;
  // Along the terms: a chunk of each of several lines. Along the lines: four lines, in several terms.
  MEMBER int line(int i) const {
    return ALONG ? (int)threadIdx.x / 8 + i * 16 : (int)threadIdx.x % (SIDE / FOUR) * FOUR + i;
  }
  MEMBER int term(int chunk) const {
    return ALONG ? (int)threadIdx.x % 8 * FOUR : (int)threadIdx.x / (SIDE / FOUR) + chunk * (512 / SIDE);
  }
  MEMBER Copied(const Factor& factor, int first, int count) : first_line(first), end_line(count) {
#pragma unroll
    for (int i = 0; i < HELD; i++) lines[i] = factor.line(first + line(i) < count ? first + line(i) : 0);
  }
  MEMBER const float* find(const Factor& factor, int i, int at, int end_term) const {
    bool inside = at < end_term && first_line + line(i) < end_line;
    return inside ? factor.find(lines[i], factor.term(at)) : nullptr;
  }
  // Loops over lines are unrolled, since lines are held in registers; loops over terms are not: it would be much code.
  MEMBER void start(const Factor& factor, float* tile, int first_term, int end_term) const {
    const int OUTER = ALONG ? 1 : CHUNKS, SINGLE = ALONG ? FOUR : 1;
#pragma unroll 1
    for (int chunk = 0; chunk < OUTER; chunk++) {
      int own = term(chunk);
      if (factor.wide) {
#pragma unroll
        for (int i = 0; i < (ALONG ? HELD : 1); i++) {
          const float* from = find(factor, i, first_term + own, end_term);
          copy_async(&tile[Tile::place(line(i), own)], from ? from : factor.numbers, from != nullptr);
        }
        continue;
      }
#pragma unroll 1
      for (int each = 0; each < SINGLE; each++) {
#pragma unroll
        for (int i = 0; i < HELD; i++) {
          const float* from = find(factor, i, first_term + own + each, end_term);
          copy_number_async(&tile[Tile::place(line(i), own + each)], from ? from : factor.numbers, from != nullptr);
        }
      }
    }
  }
};

// Fragments of mma.m16n8k8: a lane has rows g and g + 8, and terms p and p + 4, with g = lane / 4 and p = lane % 4.
struct Tf32 {
  static const int DEPTH = 8;
  template <class Tile>
  MEMBER static void left(u32* fragment, const Tile& tile, int row, int term) {
#pragma unroll
    for (int each = 0; each < 4; each++) fragment[each] = to_tf32(tile.at(row + each % 2 * 8, term + each / 2 * 4));
  }
  template <class Tile>
  MEMBER static void right(u32* fragment, const Tile& tile, int column, int term) {
#pragma unroll
    for (int each = 0; each < 2; each++) fragment[each] = to_tf32(tile.at(column, term + each * 4));
  }
  MEMBER static void multiply_add(float* sums, const u32* left, const u32* right) {
    multiply_add_tf32(sums, left, right);
  }
};

// Fragments of mma.m16n8k16. Which term stands for which is free as long as both factors agree: a register holds the
// terms p and p + 4, or p + 8 and p + 12, so that a warp reads 4 neighbouring terms at a time as it does for TF32.
struct Bfloat16 {
  static const int DEPTH = 16;
  template <class Tile>
  MEMBER static u32 two(const Tile& tile, int line, int term) {
    return pair_of_bf16(tile.at(line, term), tile.at(line, term + 4));
  }
  template <class Tile>
  MEMBER static void left(u32* fragment, const Tile& tile, int row, int term) {
#pragma unroll
    for (int each = 0; each < 4; each++) fragment[each] = two(tile, row + each % 2 * 8, term + each / 2 * 8);
  }
  template <class Tile>
  MEMBER static void right(u32* fragment, const Tile& tile, int column, int term) {
#pragma unroll
    for (int each = 0; each < 2; each++) fragment[each] = two(tile, column, term + each * 8);
  }
  MEMBER static void multiply_add(float* sums, const u32* left, const u32* right) {
    multiply_add_bf16(sums, left, right);
  }
};

// sums += the products of one stage, for the 32 rows and 64 columns of a warp
template <class Kind, class LeftTile, class RightTile>
DEVICE void multiply_stage(float (&sums)[2][8][4], const LeftTile& left, const RightTile& right) {
  int lane = threadIdx.x % 32, group = lane / 4, place = lane % 4, first_row = threadIdx.x / 32 * WARP_DOWN;
#pragma unroll
  for (int term = 0; term < DEEP; term += Kind::DEPTH) {
    u32 rows[2][4], columns[2];
#pragma unroll
    for (int i = 0; i < 2; i++) Kind::left(rows[i], left, first_row + i * 16 + group, term + place);
#pragma unroll
    for (int j = 0; j < 8; j++) {
      Kind::right(columns, right, j * 8 + group, term + place);
#pragma unroll
      for (int i = 0; i < 2; i++) Kind::multiply_add(sums[i][j], rows[i], columns);
    }
  }
}

// How a product is made: on tensor cores.
template <class Kind>
struct OnTensorCores {
  template <class Left, class Right, class Store>
  MEMBER static void multiply(int rows, int columns, int first_term, int end_term, const Left& left,
                              const Right& right, const Store& store) {
    typedef Copied<Left, DOWN> FromLeft;
    typedef Copied<Right, ACROSS> FromRight;
    const int STAGE = FromLeft::Tile::NUMBERS + FromRight::Tile::NUMBERS;
    DYNAMIC_SHARED(float, shared);
    int first_row = blockIdx.x * DOWN, first_column = blockIdx.y * ACROSS;
    FromLeft from_left(left, first_row, rows);
    FromRight from_right(right, first_column, columns);
    float sums[2][8][4] = {};
    int steps = (end_term - first_term + DEEP - 1) / DEEP;
    for (int step = 0; step < steps + STAGES - 1; step++) {
      int done = step - (STAGES - 1);
      if (done >= 0) {
        wait_for_copies<STAGES - 2>();
        barrier();
      }
      float* stage = shared + step % STAGES * STAGE;
      if (step < steps) {
        from_left.start(left, stage, first_term + step * DEEP, end_term);
        from_right.start(right, stage + FromLeft::Tile::NUMBERS, first_term + step * DEEP, end_term);
      }
      commit_copies();
      if (done < 0) continue;
      stage = shared + done % STAGES * STAGE;
      typename FromLeft::Tile of_left = {stage};
      typename FromRight::Tile of_right = {stage + FromLeft::Tile::NUMBERS};
      multiply_stage<Kind>(sums, of_left, of_right);
    }
    int lane = threadIdx.x % 32, down = first_row + threadIdx.x / 32 * WARP_DOWN + lane / 4;
    int across = first_column + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
      for (int j = 0; j < 8; j++)
#pragma unroll
        for (int each = 0; each < 4; each++) {
          int row = down + i * 16 + each / 2 * 8, column = across + j * 8 + each % 2;
          if (row < rows && column < columns) store.put(row, column, sums[i][j][each]);
        }
  }
};

#endif
