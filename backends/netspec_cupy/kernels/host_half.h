// The host half of device.cuh: what a kernel needs, on a processor. The machinery behind it is in host_half.cpp, which
// is compiled once; this header is kept light, since every module of kernels includes it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long i64;

struct alignas(16) Four {
  float at[4];
};

struct Place {
  unsigned x, y, z;
};

namespace host {

const int LANES = 32;

// What the lanes of a warp lay out for each other in a collective operation.
struct Warp {
  u32 done;             // collectives that are over
  int arrived, living;  // lanes that wait in the present one; lanes that have not returned
  double numbers[LANES];
  u32 operands[LANES][6];
  float sums[LANES][4];
};

// The thread that runs and its block; everything a kernel may ask for.
struct Running {
  Place thread, block, block_size, grid_size;
  int number;        // of the thread in its block
  u64 block_number;  // counts all blocks that were ever run: shared memory is poisoned anew for each
};

extern Running running;

void wait_for_block();
Warp& warp();
int lane();
// Lets lanes come together: ``once`` runs when the last one has arrived, before any goes on.
void meet(const char* where, void (*once)(Warp&));
void start_copy(void* to, const void* from, u32 bytes, bool inside);
void close_copies();
void finish_copies(int under_way);
const int GROUP_SUMS = 64;  // of each thread, in a product of a warpgroup
void put_for_products(void* to, const void* from, u32 bytes);
void show_writes();
void begin_products();
void start_product(float* sums, u64 left, u64 right, bool halves);
void close_products();
void finish_products(int under_way);
void* poisoned(void* memory, size_t bytes);
void* memory_of_block(size_t bytes);
void* shared_of_launch();
const size_t SHARED_ALIGNMENT = 1024;

// An array that the threads of a block share. It has memory of its own, so that a sanitizer sees where it ends, and
// holds NaN until it is written.
template <class Array>
struct Shared {
  void* memory = nullptr;
  u64 block_number = ~0ull;
  Array& here() {
    if (!memory) memory = memory_of_block(sizeof(Array));
    if (block_number != running.block_number) {
      poisoned(memory, sizeof(Array));
      block_number = running.block_number;
    }
    return *static_cast<Array*>(memory);
  }
};

// Calls a kernel with arguments given as CUDA's driver takes them: by their addresses.
template <int... Numbers>
struct Sequence {};
template <int Count, int... Numbers>
struct Counted : Counted<Count - 1, Count - 1, Numbers...> {};
template <int... Numbers>
struct Counted<0, Numbers...> {
  typedef Sequence<Numbers...> type;
};
template <class... Arguments, int... Numbers>
void spread(void (*kernel)(Arguments...), void** arguments, Sequence<Numbers...>) {
  kernel(*static_cast<Arguments*>(arguments[Numbers])...);
}
template <class... Arguments>
void call(void (*kernel)(Arguments...), void** arguments) {
  spread(kernel, arguments, typename Counted<sizeof...(Arguments)>::type());
}

}  // namespace host

#define KERNEL(name, threads, registers) static void name
#define EXPORT(name) \
  extern "C" void call_##name(void** arguments) { host::call(name, arguments); }
#define DEVICE static inline
#define MEMBER inline
#define SHARED(type, name, dimensions)               \
  using name##_array = type dimensions;              \
  static host::Shared<name##_array> name##_memory;   \
  name##_array& name = name##_memory.here()
#define DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(host::shared_of_launch())
#define INFINITE __builtin_inff()
#define NOT_A_NUMBER __builtin_nanf("")
#define HAS_TENSOR_CORES 1
#define HAS_WARPGROUPS 1
#define threadIdx (host::running.thread)
#define blockIdx (host::running.block)
#define blockDim (host::running.block_size)
#define gridDim (host::running.grid_size)

DEVICE void barrier() { host::wait_for_block(); }

DEVICE double shuffle_xor(double value, int mask) {
  host::warp().numbers[host::lane()] = value;
  host::meet("shuffle_xor", [](host::Warp&) {});
  double found = host::warp().numbers[host::lane() ^ mask];
  host::meet("shuffle_xor", [](host::Warp&) {});  // nobody writes again before all have read
  return found;
}
DEVICE float shuffle_xor(float value, int mask) { return (float)shuffle_xor((double)value, mask); }

DEVICE u32 bits_of(float x) {
  u32 bits;
  memcpy(&bits, &x, 4);
  return bits;
}
DEVICE float float_of(u32 bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
DEVICE int byte_of(u32 word, int place) { return (int)(word >> (8 * place) & 0xff); }
DEVICE int signed_byte_of(u32 word, int place) { return (signed char)byte_of(word, place); }
DEVICE u32 pick_bytes(u32 a, u32 b, u32 which) {
  u32 found = 0;
  for (int each = 0; each < 4; each++) {
    int place = which >> (4 * each) & 7;
    found |= (u32)byte_of(place < 4 ? a : b, place % 4) << (8 * each);
  }
  return found;
}
DEVICE int dot_of_bytes(u32 a, u32 b, int sum) {
  u32 total = sum;  // sums wrap, as they do on a GPU
  for (int each = 0; each < 4; each++) total += (u32)(byte_of(a, each) * signed_byte_of(b, each));
  return (int)total;
}
DEVICE u16 to_bf16(float x) {
  u32 bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
DEVICE float from_bf16(u16 h) { return float_of((u32)h << 16); }
DEVICE u32 pair_of_bf16(float low, float high) { return to_bf16(low) | (u32)to_bf16(high) << 16; }
DEVICE u32 to_tf32(float x) {
  u32 bits = bits_of(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

// A copy takes place only when it is waited for, so that a wait which is left out or too lax reads NaN.
DEVICE void copy_async(void* to, const void* from, bool inside) { host::start_copy(to, from, 16, inside); }
DEVICE void copy_number_async(void* to, const void* from, bool inside) { host::start_copy(to, from, 4, inside); }
DEVICE void commit_copies() { host::close_copies(); }
template <int UnderWay>
DEVICE void wait_for_copies() {
  host::finish_copies(UnderWay);
}

DEVICE Four load_four(const float* from) {
  if ((uintptr_t)from % 16) return {{NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER}};
  Four four;
  memcpy(&four, from, 16);
  return four;
}

DEVICE void store_four(float* to, const Four& four) {
  if ((uintptr_t)to % 16 == 0) memcpy(to, &four, 16);
}

// A product takes place only when it is waited for, with what is in shared memory then, and the sums hold NaN until
// then. So they do for good where products were not begun, or could not see what was written.
DEVICE u32 shared_address(const void* place) {
  return (u32)(static_cast<const u8*>(place) - static_cast<const u8*>(host::shared_of_launch()));
}
DEVICE void put_for_products(void* to, const u32 (&numbers)[4]) { host::put_for_products(to, numbers, 16); }
DEVICE void put_for_products(void* to, const u32 (&numbers)[2]) { host::put_for_products(to, numbers, 8); }
DEVICE void show_to_products() { host::show_writes(); }
DEVICE void begin_products(float (&)[64]) { host::begin_products(); }
DEVICE void multiply_async_tf32(float (&sums)[64], u64 left, u64 right) {
  host::meet("multiply_async_tf32", [](host::Warp&) {});
  host::start_product(sums, left, right, false);
}
DEVICE void multiply_async_bf16(float (&sums)[64], u64 left, u64 right) {
  host::meet("multiply_async_bf16", [](host::Warp&) {});
  host::start_product(sums, left, right, true);
}
DEVICE void commit_products() { host::close_products(); }
template <int UnderWay>
DEVICE void wait_for_products(float (&)[64]) {
  host::finish_products(UnderWay);
}

template <bool TURNED>
DEVICE void load_matrices(u32 (&fragment)[4], const void* row) {
  host::Warp& warp = host::warp();
  int lane = host::lane();
  memcpy(warp.operands[lane], &row, sizeof row);
  host::meet("load_matrices", [](host::Warp&) {});
  for (int matrix = 0; matrix < 4; matrix++)
    for (int each = 0; each < 2; each++) {
      int across = lane % 4 * 2 + each, down = lane / 4;
      const u8* from;
      memcpy(&from, warp.operands[matrix * 8 + (TURNED ? across : down)], sizeof from);
      u16 number = 0x7fff;  // NaN where a row does not begin at a multiple of 16
      if ((uintptr_t)from % 16 == 0) memcpy(&number, from + 2 * (TURNED ? down : across), 2);
      fragment[matrix] = each ? fragment[matrix] | (u32)number << 16 : number;
    }
  host::meet("load_matrices", [](host::Warp&) {});
}

// Fragments as in the PTX ISA, "Matrix fragments for mma": lane l holds rows l/4 and l/4 + 8.
template <void (*Once)(host::Warp&), class Sum>
DEVICE void multiply_add(Sum* c, const u32* a, const u32* b, const char* name) {
  host::Warp& warp = host::warp();
  int lane = host::lane();
  memcpy(warp.operands[lane], a, 16);
  memcpy(warp.operands[lane] + 4, b, 8);
  memcpy(warp.sums[lane], c, 16);
  host::meet(name, Once);
  memcpy(c, warp.sums[lane], 16);
  host::meet(name, [](host::Warp&) {});
}
template <int Depth>
DEVICE void multiply_fragments(host::Warp& warp, const float (&a)[16][Depth], const float (&b)[Depth][8]) {
  for (int lane = 0; lane < 32; lane++)
    for (int each = 0; each < 4; each++) {
      int row = lane / 4 + each / 2 * 8, column = lane % 4 * 2 + each % 2;
      for (int k = 0; k < Depth; k++) warp.sums[lane][each] += a[row][k] * b[k][column];
    }
}
DEVICE void multiply_tf32_once(host::Warp& warp) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; lane++) {
    int group = lane / 4, place = lane % 4;
    for (int each = 0; each < 4; each++)
      a[group + each % 2 * 8][place + each / 2 * 4] = float_of(warp.operands[lane][each] & 0xffffe000u);
    for (int each = 0; each < 2; each++)
      b[place + each * 4][group] = float_of(warp.operands[lane][4 + each] & 0xffffe000u);
  }
  multiply_fragments<8>(warp, a, b);
}
DEVICE void multiply_bf16_once(host::Warp& warp) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; lane++) {
    int group = lane / 4, place = lane % 4;
    for (int half = 0; half < 2; half++) {
      for (int each = 0; each < 4; each++)
        a[group + each % 2 * 8][place * 2 + half + each / 2 * 8] =
            from_bf16((u16)(warp.operands[lane][each] >> (16 * half)));
      for (int each = 0; each < 2; each++)
        b[place * 2 + half + each * 8][group] = from_bf16((u16)(warp.operands[lane][4 + each] >> (16 * half)));
    }
  }
  multiply_fragments<16>(warp, a, b);
}
DEVICE void multiply_add_tf32(float* c, const u32* a, const u32* b) {
  multiply_add<multiply_tf32_once>(c, a, b, "multiply_add_tf32");
}
DEVICE void multiply_add_bf16(float* c, const u32* a, const u32* b) {
  multiply_add<multiply_bf16_once>(c, a, b, "multiply_add_bf16");
}
DEVICE void multiply_bytes_once(host::Warp& warp) {
  u32 a[16][8], b[8][8];  // words of four terms
  for (int lane = 0; lane < 32; lane++) {
    int group = lane / 4, place = lane % 4;
    for (int each = 0; each < 4; each++) a[group + each % 2 * 8][place + each / 2 * 4] = warp.operands[lane][each];
    for (int each = 0; each < 2; each++) b[place + each * 4][group] = warp.operands[lane][4 + each];
  }
  for (int lane = 0; lane < 32; lane++) {
    int sums[4];
    memcpy(sums, warp.sums[lane], 16);
    for (int each = 0; each < 4; each++)
      for (int word = 0; word < 8; word++)
        sums[each] = dot_of_bytes(a[lane / 4 + each / 2 * 8][word], b[word][lane % 4 * 2 + each % 2], sums[each]);
    memcpy(warp.sums[lane], sums, 16);
  }
}
DEVICE void multiply_add_bytes(int* c, const u32* a, const u32* b) {
  multiply_add<multiply_bytes_once>(c, a, b, "multiply_add_bytes");
}
