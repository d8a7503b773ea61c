// Matrix products on the tensor cores of Hopper: two warpgroups of four warps make a tile of 128 x 128, 64 rows each. The
// factors (see multiply.cuh) are read four numbers at a time where they can be, float32 is rounded to TF32 in registers,
// and they are put into one of three stages of shared memory, from where the tensor cores take them while the next
// stage is brought. A product is started and not waited for before the next one is under way.
#pragma once
#include "device.cuh"

#if HAS_WARPGROUPS

const int GROUP_SIDE = 128, GROUP_ROWS = 64, GROUP_DEEP = 32, GROUP_STAGES = 3, QUAD = 4, QUADS = GROUP_DEEP / QUAD;

// Numbers as tensor cores want them: rows of 32 terms, whose chunks of 16 bytes are permuted by the bits of the address
// that count rows, or pairs of them. Rows of 128 bytes take turns after 8, rows of 64 bytes too.
struct GroupTf32 {
  typedef float Number;
  static const int ROW_BYTES = 128, DEPTH = 8, NUMBER = 4, PERMUTED = 0x70;
  static const u64 KIND = 1;
  MEMBER static void put(u8* to, const float* four) {
    u32 rounded[4];
#pragma unroll
    for (int i = 0; i < 4; i++) rounded[i] = to_tf32(four[i]);
    put_for_products(to, rounded);
  }
  MEMBER static void multiply(float (&sums)[64], u64 left, u64 right) { multiply_async_tf32(sums, left, right); }
};

struct GroupBfloat16 {
  typedef bf16 Number;
  static const int ROW_BYTES = 64, DEPTH = 16, NUMBER = 2, PERMUTED = 0x30;
  static const u64 KIND = 2;
  MEMBER static void put(u8* to, const bf16* four) {
    u32 both[2] = {four[0].bits | (u32)four[1].bits << 16, four[2].bits | (u32)four[3].bits << 16};
    put_for_products(to, both);
  }
  MEMBER static void multiply(float (&sums)[64], u64 left, u64 right) { multiply_async_bf16(sums, left, right); }
};

// A tile of 128 lines, as PTX's "matrix descriptor" of its first ``byte`` on: its address, how many bytes there are from
// eight lines to the next eight, both by 16, and how it is permuted.
template <class Kind>
DEVICE u64 describe(const u8* tile, int byte) {
  u64 address = shared_address(tile) + byte, stride = 8 * Kind::ROW_BYTES;
  return (address & 0x3ffff) >> 4 | (u64)1 << 16 | stride >> 4 << 32 | Kind::KIND << 62;
}

template <class Kind>
DEVICE int place_in_tile(int line, int term) {
  int byte = line * Kind::ROW_BYTES + term * Kind::NUMBER;
  return byte ^ (byte >> 3 & Kind::PERMUTED);
}

// Four lines by four terms of a factor's tile that a thread brings: along the terms four lines apart from each other,
// along the lines four neighbours.
template <class Factor>
struct FourLines {
  typedef typename Factor::Stored Number;
  static const bool ALONG = Factor::ALONG_TERMS;
  typename Factor::Line lines[QUAD];
  Number numbers[QUAD][QUAD];  // by line and term
  int first_line, end_line;
  MEMBER static int term() { return (int)threadIdx.x % QUADS * QUAD; }
  MEMBER static int line(int i) {
    int own = (int)threadIdx.x / QUADS;
    return ALONG ? own + i * (GROUP_SIDE / QUAD) : own * QUAD + i;
  }
  MEMBER FourLines(const Factor& factor, int first, int count) : first_line(first), end_line(count) {
#pragma unroll
    for (int i = 0; i < QUAD; i++) lines[i] = factor.line(first + line(i) < count ? first + line(i) : 0);
  }
  MEMBER const Number* find(const Factor& factor, int i, const typename Factor::Term& term) const {
    return first_line + line(i) < end_line ? factor.find(lines[i], term) : nullptr;
  }
  MEMBER void read(const Factor& factor, int first_term, int end_term) {
    int own = first_term + term();
    const decltype(load_four(factor.numbers)) zeros = {};
    if (factor.wide && ALONG) {
      bool inside = own < end_term;
      typename Factor::Term at = factor.term(inside ? own : 0);
#pragma unroll
      for (int i = 0; i < QUAD; i++) {
        const Number* from = inside ? find(factor, i, at) : nullptr;
        auto four = from ? load_four(from) : zeros;
#pragma unroll
        for (int j = 0; j < QUAD; j++) numbers[i][j] = four.at[j];
      }
      return;
    }
#pragma unroll
    for (int j = 0; j < QUAD; j++) {
      bool inside = own + j < end_term;
      typename Factor::Term at = factor.term(inside ? own + j : 0);
      if (factor.wide) {
        const Number* from = inside ? find(factor, 0, at) : nullptr;
        auto four = from ? load_four(from) : zeros;
#pragma unroll
        for (int i = 0; i < QUAD; i++) numbers[i][j] = four.at[i];
        continue;
      }
#pragma unroll
      for (int i = 0; i < QUAD; i++) {
        const Number* from = inside ? find(factor, i, at) : nullptr;
        numbers[i][j] = from ? *from : zeros.at[0];
      }
    }
  }
  template <class Kind>
  MEMBER void put(u8* tile) const {
#pragma unroll
    for (int i = 0; i < QUAD; i++) Kind::put(tile + place_in_tile<Kind>(line(i), term()), numbers[i]);
  }
};

// How a product is made: by warpgroups.
template <class Kind>
struct OnWarpgroups {
  typedef typename Kind::Number Number;
  template <class Left, class Right, class Store>
  MEMBER static void multiply(int rows, int columns, int first_term, int end_term, const Left& left,
                              const Right& right, const Store& store) {
    const int TILE_BYTES = GROUP_SIDE * Kind::ROW_BYTES;
    DYNAMIC_SHARED(u8, shared);
    int group = threadIdx.x / 128, lane = threadIdx.x % 32, warp = threadIdx.x % 128 / 32;
    int first_row = blockIdx.x * GROUP_SIDE, first_column = blockIdx.y * GROUP_SIDE;
    FourLines<Left> from_left(left, first_row, rows);
    FourLines<Right> from_right(right, first_column, columns);
    float sums[64] = {};
    int steps = (end_term - first_term + GROUP_DEEP - 1) / GROUP_DEEP;
    for (int step = -1; step < steps; step++) {
      bool more = step + 1 < steps;
      if (more) {
        from_left.read(left, first_term + (step + 1) * GROUP_DEEP, end_term);
        from_right.read(right, first_term + (step + 1) * GROUP_DEEP, end_term);
      }
      if (step >= 0) {
        const u8* own = shared + step % GROUP_STAGES * 2 * TILE_BYTES;
        begin_products(sums);
#pragma unroll
        for (int byte = 0; byte < Kind::ROW_BYTES; byte += Kind::DEPTH * Kind::NUMBER)
          Kind::multiply(sums, describe<Kind>(own + group * GROUP_ROWS * Kind::ROW_BYTES, byte),
                         describe<Kind>(own + TILE_BYTES, byte));
        commit_products();
      }
      if (more) {
        u8* next = shared + (step + 1) % GROUP_STAGES * 2 * TILE_BYTES;
        from_left.template put<Kind>(next);
        from_right.template put<Kind>(next + TILE_BYTES);
        show_to_products();
      }
      wait_for_products<1>(sums);  // the stage that is written next is read no more
      barrier();
    }
    wait_for_products<0>(sums);
    int down = first_row + group * GROUP_ROWS + warp * 16 + lane / 4, across = first_column + lane % 4 * 2;
#pragma unroll
    for (int at = 0; at < 64; at++) {
      int row = down + at / 2 % 2 * 8, column = across + at / 4 * 8 + at % 2;
      if (row < rows && column < columns) store.put(row, column, sums[at]);
    }
  }
};

#endif
