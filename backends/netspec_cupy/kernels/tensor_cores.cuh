// Matrix products on tensor cores: factors are TF32 or bfloat16, products are summed in float32. A block of 128 threads
// makes a tile of 128 x 64; each of its four warps has 32 rows of it. The factors (see multiply.cuh) come into shared
// memory by asynchronous copies, 128 bytes of a line at a time and two such stages ahead of the products. Float32 is
// rounded as it leaves shared memory; bfloat16 is what is stored.
#pragma once
#include "device.cuh"

#if HAS_TENSOR_CORES

const int DOWN = 128, ACROSS = 64, STAGES = 3, TENSOR_THREADS = 128, WARP_DOWN = 32, CHUNKS_DEEP = 8;

// Numbers of one copy, and terms of a stage.
template <class Number>
struct Stage {
  static const int COPIED = 16 / sizeof(Number), DEEP = CHUNKS_DEEP * COPIED;
};

// Where a number lies in a tile of SIDE lines. Along the terms a line is 128 bytes, and its chunks of 16 are permuted;
// along the lines a term has 8 numbers more than it needs. Either way what a warp reads at once lies in 32 banks: of
// float32 the numbers of 8 lines and 4 terms, of bfloat16 eight times 16 bytes of 8 lines, or of 8 terms.
template <class Number, bool ALONG_TERMS, int SIDE>
struct TileOf {
  static const bool ALONG = ALONG_TERMS;
  static const int COPIED = Stage<Number>::COPIED, DEEP = Stage<Number>::DEEP;
  static const int NUMBERS = ALONG ? SIDE * DEEP : DEEP * (SIDE + 8);
  Number* numbers;
  MEMBER static int place(int line, int term) {
    return ALONG ? line * DEEP + ((term / COPIED) ^ (line & 7)) * COPIED + term % COPIED : term * (SIDE + 8) + line;
  }
  MEMBER Number at(int line, int term) const { return numbers[place(line, term)]; }
};

// One number to shared memory: float32 on its way, what is too short for that at once.
DEVICE void copy_number(float* to, const float* from, const float* any) {
  copy_number_async(to, from ? from : any, from != nullptr);
}
DEVICE void copy_number(bf16* to, const bf16* from, const bf16*) { to->bits = from ? from->bits : (u16)0; }

// The chunks of 16 bytes of a factor's tile that a thread has copied: SIDE / 16 in each stage.
template <class Factor, int SIDE>
struct Copied {
  typedef typename Factor::Stored Number;
  static const bool ALONG = Factor::ALONG_TERMS;
  static const int COPIED = Stage<Number>::COPIED, CHUNKS = SIDE / 16, HELD = ALONG ? CHUNKS : COPIED;
  typedef TileOf<Number, ALONG, SIDE> Tile;
  typename Factor::Line lines[HELD];
  int first_line, end_line;
  // Along the terms: a chunk of each of several lines. Along the lines: those of a chunk, in several terms.
  MEMBER int line(int i) const {
    return ALONG ? (int)threadIdx.x / CHUNKS_DEEP + i * 16 : (int)threadIdx.x % (SIDE / COPIED) * COPIED + i;
  }
  MEMBER int term(int chunk) const {
    const int TERMS_AT_ONCE = TENSOR_THREADS * COPIED / SIDE;
    return ALONG ? (int)threadIdx.x % CHUNKS_DEEP * COPIED : (int)threadIdx.x / (SIDE / COPIED) + chunk * TERMS_AT_ONCE;
  }
  MEMBER Copied(const Factor& factor, int first, int count) : first_line(first), end_line(count) {
#pragma unroll
    for (int i = 0; i < HELD; i++) lines[i] = factor.line(first + line(i) < count ? first + line(i) : 0);
  }
  MEMBER const Number* find(const Factor& factor, int i, int at, int end_term) const {
    bool inside = at < end_term && first_line + line(i) < end_line;
    return inside ? factor.find(lines[i], factor.term(at)) : nullptr;
  }
  // Loops over lines are unrolled, since lines are held in registers; loops over terms are not: it would be much code.
  MEMBER void start(const Factor& factor, Number* tile, int first_term, int end_term) const {
    const int OUTER = ALONG ? 1 : CHUNKS, SINGLE = ALONG ? COPIED : 1;
#pragma unroll 1
    for (int chunk = 0; chunk < OUTER; chunk++) {
      int own = term(chunk);
      if (factor.wide) {
#pragma unroll
        for (int i = 0; i < (ALONG ? HELD : 1); i++) {
          const Number* from = find(factor, i, first_term + own, end_term);
          copy_async(&tile[Tile::place(line(i), own)], from ? from : factor.numbers, from != nullptr);
        }
        continue;
      }
#pragma unroll 1
      for (int each = 0; each < SINGLE; each++) {
#pragma unroll
        for (int i = 0; i < HELD; i++) {
          const Number* from = find(factor, i, first_term + own + each, end_term);
          copy_number(&tile[Tile::place(line(i), own + each)], from, factor.numbers);
        }
      }
    }
  }
};

// Fragments of mma.m16n8k8: a lane has rows g and g + 8, and terms p and p + 4, with g = lane / 4 and p = lane % 4.
struct Tf32 {
  typedef float Number;
  static const int DEPTH = 8;
  // Of 16 rows from ``row`` on.
  template <class Tile>
  MEMBER static void left(u32 (&fragment)[4], const Tile& tile, int row, int first_term) {
    int line = row + threadIdx.x % 32 / 4, term = first_term + threadIdx.x % 4;
#pragma unroll
    for (int each = 0; each < 4; each++) fragment[each] = to_tf32(tile.at(line + each % 2 * 8, term + each / 2 * 4));
  }
  // Of twice 8 columns from ``column`` on.
  template <class Tile>
  MEMBER static void right(u32 (&fragments)[4], const Tile& tile, int column, int first_term) {
    int line = column + threadIdx.x % 32 / 4, term = first_term + threadIdx.x % 4;
#pragma unroll
    for (int each = 0; each < 4; each++) fragments[each] = to_tf32(tile.at(line + each / 2 * 8, term + each % 2 * 4));
  }
  MEMBER static void multiply_add(float* sums, const u32* left, const u32* right) {
    multiply_add_tf32(sums, left, right);
  }
};

// Fragments of mma.m16n8k16: a lane has rows g and g + 8, and terms 2 p, 2 p + 1 and 8 more. Four of its registers are
// four matrices of 8 x 8, of a tile whose lines are their rows, or of one whose terms are.
struct Bfloat16 {
  typedef bf16 Number;
  static const int DEPTH = 16;
  template <class Tile>
  MEMBER static void left(u32 (&fragment)[4], const Tile& tile, int row, int first_term) {
    int lane = threadIdx.x % 32, within = lane % 8, down = lane / 8 % 2 * 8, deep = lane / 16 * 8;
    load<Tile>(fragment, tile, row + down, first_term + deep, within);
  }
  template <class Tile>
  MEMBER static void right(u32 (&fragments)[4], const Tile& tile, int column, int first_term) {
    int lane = threadIdx.x % 32, within = lane % 8, across = lane / 16 * 8, deep = lane / 8 % 2 * 8;
    load<Tile>(fragments, tile, column + across, first_term + deep, within);
  }
  template <class Tile>
  MEMBER static void load(u32 (&fragment)[4], const Tile& tile, int line, int term, int within) {
    int place = Tile::ALONG ? Tile::place(line + within, term) : Tile::place(line, term + within);
    load_matrices<!Tile::ALONG>(fragment, tile.numbers + place);
  }
  MEMBER static void multiply_add(float* sums, const u32* left, const u32* right) {
    multiply_add_bf16(sums, left, right);
  }
};

// sums += the products of one stage, for the 32 rows and 64 columns of a warp
template <class Kind, class LeftTile, class RightTile>
DEVICE void multiply_stage(float (&sums)[2][8][4], const LeftTile& left, const RightTile& right) {
  int first_row = threadIdx.x / 32 * WARP_DOWN;
#pragma unroll
  for (int term = 0; term < LeftTile::DEEP; term += Kind::DEPTH) {
    u32 rows[2][4], columns[4];
#pragma unroll
    for (int i = 0; i < 2; i++) Kind::left(rows[i], left, first_row + i * 16, term);
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      Kind::right(columns, right, j * 8, term);
#pragma unroll
      for (int i = 0; i < 4; i++) Kind::multiply_add(sums[i % 2][j + i / 2], rows[i % 2], columns + i / 2 * 2);
    }
  }
}

// How a product is made: on tensor cores.
template <class Kind>
struct OnTensorCores {
  typedef typename Kind::Number Number;
  static const int DEEP = Stage<Number>::DEEP;
  template <class Left, class Right, class Store>
  MEMBER static void multiply(int rows, int columns, int first_term, int end_term, const Left& left,
                              const Right& right, const Store& store) {
    typedef Copied<Left, DOWN> FromLeft;
    typedef Copied<Right, ACROSS> FromRight;
    const int STAGE = FromLeft::Tile::NUMBERS + FromRight::Tile::NUMBERS;
    DYNAMIC_SHARED(Number, shared);
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
      Number* stage = shared + step % STAGES * STAGE;
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
