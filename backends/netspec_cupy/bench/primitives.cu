// Kernels that use each name of device.cuh in the smallest way that shows whether it does what it says: run on the host
// half by the tests, and by the first stage of the bench on a GPU.
// needs sm_80
#include "device.cuh"

const int SIDE = 64, STAGES = 3, ROW_BYTES = 128, CHUNK = 16;

// Where a byte of a row lies in shared memory: chunks of 16 bytes are permuted, so that the rows of a fragment do not
// all meet in the same banks.
DEVICE int swizzled(int row, int byte) {
  return row * ROW_BYTES + (((byte / CHUNK) ^ (row & 7)) * CHUNK) + byte % CHUNK;
}

// c (64, 64) = a (64, depth) b^T, b (64, depth), of 4-byte (TF32) or 2-byte (bfloat16) numbers; rows of 128 bytes at a
// time come in by asynchronous copies, two stages ahead of the products. Four warps, 16 rows each.
template <class Number>
DEVICE void multiply_by_tensor_cores(const Number* a, const Number* b, float* c, int depth) {
  SHARED(u8, left, [STAGES][SIDE * ROW_BYTES]);
  SHARED(u8, right, [STAGES][SIDE * ROW_BYTES]);
  int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, group = lane / 4, place = lane % 4;
  int per_row = ROW_BYTES / (int)sizeof(Number), steps = (depth + per_row - 1) / per_row;
  float sums[8][4] = {};
  auto fetch = [&](int step) {
    for (int at = thread; at < SIDE * ROW_BYTES / CHUNK; at += blockDim.x) {
      int row = at / (ROW_BYTES / CHUNK), byte = at % (ROW_BYTES / CHUNK) * CHUNK;
      int column = step * per_row + byte / (int)sizeof(Number);
      bool inside = column < depth;
      int to = swizzled(row, byte);
      copy_async(&left[step % STAGES][to], inside ? &a[row * depth + column] : a, inside);
      copy_async(&right[step % STAGES][to], inside ? &b[row * depth + column] : b, inside);
    }
  };
  for (int step = 0; step < STAGES - 1; step++) {
    if (step < steps) fetch(step);
    commit_copies();
  }
  for (int step = 0; step < steps; step++) {
    wait_for_copies<STAGES - 2>();
    barrier();
    if (step + STAGES - 1 < steps) fetch(step + STAGES - 1);
    commit_copies();
    const u8 *of_left = left[step % STAGES], *of_right = right[step % STAGES];
    for (int part = 0; part < 4; part++) {  // 32 bytes of each row: 8 numbers of TF32, 16 of bfloat16
      u32 fragment[4], other[2];
      for (int each = 0; each < 4; each++) {
        int row = warp * 16 + group + each % 2 * 8, byte = part * 32 + each / 2 * 16 + place * 4;
        fragment[each] = *(const u32*)&of_left[swizzled(row, byte)];
        if (sizeof(Number) == 4) fragment[each] = to_tf32(float_of(fragment[each]));
      }
      for (int block = 0; block < 8; block++) {
        for (int each = 0; each < 2; each++) {
          other[each] = *(const u32*)&of_right[swizzled(block * 8 + group, part * 32 + each * 16 + place * 4)];
          if (sizeof(Number) == 4) other[each] = to_tf32(float_of(other[each]));
        }
        if (sizeof(Number) == 4)
          multiply_add_tf32(sums[block], fragment, other);
        else
          multiply_add_bf16(sums[block], fragment, other);
      }
    }
  }
  for (int block = 0; block < 8; block++)
    for (int each = 0; each < 4; each++)
      c[(warp * 16 + group + each / 2 * 8) * SIDE + block * 8 + place * 2 + each % 2] = sums[block][each];
}

KERNEL(multiply_tf32, 128, 168)(const float* a, const float* b, float* c, int depth) {
  multiply_by_tensor_cores(a, b, c, depth);
}
EXPORT(multiply_tf32)

KERNEL(multiply_bf16, 128, 168)(const u16* a, const u16* b, float* c, int depth) {
  multiply_by_tensor_cores(a, b, c, depth);
}
EXPORT(multiply_bf16)

// y = x rounded to TF32 and to bfloat16
KERNEL(round_numbers, 128, 32)(const float* x, float* tf32, float* bf16, int count) {
  for (int at = threadIdx.x; at < count; at += blockDim.x) {
    tf32[at] = float_of(to_tf32(x[at]));
    bf16[at] = from_bf16(to_bf16(x[at]));
  }
}
EXPORT(round_numbers)

// y (2, count) = x rounded to TF32, and to bfloat16
KERNEL(round_both, 128, 32)(const float* x, float* y, int count) {
  for (int at = threadIdx.x; at < count; at += blockDim.x) {
    y[at] = float_of(to_tf32(x[at]));
    y[count + at] = from_bf16(to_bf16(x[at]));
  }
}
EXPORT(round_both)

// y = the sum over the lanes of each warp of x
KERNEL(add_lanes, 64, 32)(const float* x, float* y) {
  float sum = x[threadIdx.x];
  for (int mask = 16; mask; mask /= 2) sum += shuffle_xor(sum, mask);
  y[threadIdx.x] = sum;
}
EXPORT(add_lanes)

// y = x backwards, by way of more shared memory than a kernel has unasked
KERNEL(turn_round, 128, 32)(const float* x, float* y, int count) {
  DYNAMIC_SHARED(float, numbers);
  for (int at = threadIdx.x; at < count; at += blockDim.x) copy_number_async(&numbers[at], &x[at], true);
  commit_copies();
  wait_for_copies<0>();
  barrier();
  for (int at = threadIdx.x; at < count; at += blockDim.x) y[at] = numbers[count - 1 - at];
}
EXPORT(turn_round)

// y (2, 4, 8, 8) = four matrices of numbers of 16 bits, as they are and turned
KERNEL(load_both_ways, 32, 32)(const u16* x, u16* y) {
  DYNAMIC_SHARED(u16, matrices);
  int lane = threadIdx.x;
  for (int at = lane; at < 256; at += 32) matrices[at] = x[at];
  barrier();
  u32 found[2][4];
  load_matrices<false>(found[0], matrices + lane * 8);
  load_matrices<true>(found[1], matrices + lane * 8);
  for (int way = 0; way < 2; way++)
    for (int matrix = 0; matrix < 4; matrix++)
      for (int each = 0; each < 2; each++)
        y[(way * 4 + matrix) * 64 + lane / 4 * 8 + lane % 4 * 2 + each] = (u16)(found[way][matrix] >> (16 * each));
}
EXPORT(load_both_ways)

// y = x, which is stored as bfloat16, times two; and so stored again
KERNEL(double_halves, 32, 32)(const bf16* x, bf16* y) {
  HalfFour four = load_four(x + threadIdx.x * 4);
  for (int each = 0; each < 4; each++) y[threadIdx.x * 4 + each] = four.at[each] * 2.f;
}
EXPORT(double_halves)
