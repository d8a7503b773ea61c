// The seam between kernels and machines. A kernel is plain C++ and, besides, what is named here; nothing else of CUDA
// occurs in any kernel. Two halves implement it: NVRTC compiles the GPU half for the device, and g++ the host half
// (host_half.h), which runs a block's threads one after the other on the processor, for tests without a GPU.
//
//   KERNEL(name, threads, registers)(...) { ... }   a kernel for blocks of at most that many threads, and the
//                                                   registers that each may use; EXPORT(name) follows it
//   DEVICE                                          before a function that kernels call
//   SHARED(type, name, [2][16]);                    an array that the threads of a block share
//   DYNAMIC_SHARED(type, name);                     the same, as large as the launch says; begins at 1024 bytes' multiple
//   barrier()                                       all threads of the block have come here
//   shuffle_xor(value, mask)                        the value of the lane whose number differs by that mask
//   copy_async(to, from, inside)                    16 bytes to shared memory, on their way; zeros where not inside
//   copy_number_async(to, from, inside)             the same of 4 bytes
//   commit_copies(), wait_for_copies<N>()           close a group of copies; wait until at most N groups are under way
//   multiply_add_tf32(c, a, b)                      c (16 x 8) += a (16 x 8) b (8 x 8), fragments of mma.m16n8k8
//   multiply_add_bf16(c, a, b)                      c (16 x 8) += a (16 x 16) b (16 x 8), fragments of mma.m16n8k16
//   multiply_async_tf32(sums, left, right)          a warpgroup's sums (64 x 128) += left (64 x 8) right (128 x 8)^T, on
//   multiply_async_bf16(sums, left, right)          its way; the same with 16 terms. Tiles in shared memory, described
//                                                   as in warpgroups.cuh; of the sums lane l of warp w has the rows
//                                                   16 w + l/4 and 8 more, two columns in every 8
//   put_for_products(to, numbers)                   16 or 8 bytes to a tile; products see them after show_to_products()
//                                                   and a barrier
//   begin_products(sums), commit_products()         before products are started; close a group of them
//   wait_for_products<N>(sums)                      wait until at most N groups are under way
//   shared_address(place)                           of a place in shared memory, as descriptions of tiles have it
//   load_four(from), store_four(to, four)           four numbers at an address that is a multiple of 16
//   to_tf32(x), to_bf16(x), from_bf16(h)            roundings, to nearest (ties of bfloat16 to even, of TF32 away)
//   pair_of_bf16(low, high)                         two numbers rounded to bfloat16, the first in the lower half
//   bf16                                            a number as it is stored in 16 bits: read as a float, rounded as it is
//                                                   assigned one
//   load_four(from), store_four(to, four), HalfFour   four of them at an address that is a multiple of 8
//   load_matrices<TURNED>(fragment, row)            four matrices of 8 x 8 numbers of 16 bits in shared memory, 16 bytes a
//                                                   row: lane l tells where row l % 8 of matrix l / 8 lies, and has of each
//                                                   the numbers 2 (l % 4) and the next of row l / 4, or of that column
//   multiply_add_bytes(c, a, b)                     c (16 x 8) += a (16 x 32) b (32 x 8), fragments of mma.m16n8k32: int32,
//                                                   bytes from 0 to 255, bytes from -128 to 127
//   dot_of_bytes(a, b, sum)                         sum plus the products of four bytes of either kind, in int32
//   pick_bytes(a, b, which)                         four of the eight bytes of two words, by four hexadecimal digits
//   bits_of(x), float_of(bits)                      a float's bits, and back
//   threadIdx, blockIdx, blockDim, gridDim          as in CUDA
#pragma once

#ifdef NETSPEC_HOST
#include "host_half.h"
#else

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// One block for each multiprocessor is enough to ask for: asked for none, ptxas spills to make room for more of them.
#define KERNEL(name, threads, registers) extern "C" __global__ void __launch_bounds__(threads, 1) name
#define EXPORT(name)
#define DEVICE static __device__ __forceinline__
#define MEMBER __device__ __forceinline__
#define SHARED(type, name, dimensions) __shared__ type name dimensions
#define DYNAMIC_SHARED(type, name)                        \
  extern __shared__ __align__(1024) u8 dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(dynamic_shared)
struct alignas(16) Four {
  float at[4];
};
#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)

DEVICE void barrier() { __syncthreads(); }
DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEVICE double shuffle_xor(double value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEVICE u32 bits_of(float x) { return __float_as_uint(x); }
DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 pick_bytes(u32 a, u32 b, u32 which) { return __byte_perm(a, b, which); }
DEVICE int dot_of_bytes(u32 a, u32 b, int sum) {
  asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
DEVICE u16 to_bf16(float x) {
#if __CUDA_ARCH__ >= 800
  u16 rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(x));
  return rounded;
#else
  u32 bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}
DEVICE Four load_four(const float* from) {
  float4 four = *reinterpret_cast<const float4*>(from);
  return {{four.x, four.y, four.z, four.w}};
}
DEVICE void store_four(float* to, const Four& four) {
  *reinterpret_cast<float4*>(to) = make_float4(four.at[0], four.at[1], four.at[2], four.at[3]);
}
DEVICE float from_bf16(u16 h) { return float_of((u32)h << 16); }

#if __CUDA_ARCH__ >= 800
#define HAS_TENSOR_CORES 1
DEVICE u32 pair_of_bf16(float low, float high) {
  u32 rounded;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(rounded) : "f"(high), "f"(low));
  return rounded;
}
DEVICE u32 to_tf32(float x) {
  u32 rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
}
DEVICE void copy_async(void* to, const void* from, bool inside) {
  u32 address = (u32)__cvta_generic_to_shared(to);
  int bytes = inside ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}
DEVICE void copy_number_async(void* to, const void* from, bool inside) {
  u32 address = (u32)__cvta_generic_to_shared(to);
  int bytes = inside ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}
template <bool TURNED>
DEVICE void load_matrices(u32 (&fragment)[4], const void* row) {
  u32 address = (u32)__cvta_generic_to_shared(row);
  if (TURNED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int UnderWay>
DEVICE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(UnderWay) : "memory");
}
DEVICE void multiply_add_tf32(float* c, const u32* a, const u32* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void multiply_add_bf16(float* c, const u32* a, const u32* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
DEVICE void multiply_add_bytes(int* c, const u32* a, const u32* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HAS_WARPGROUPS 1
DEVICE u32 shared_address(const void* place) { return (u32)__cvta_generic_to_shared(place); }
DEVICE void put_for_products(void* to, const u32 (&numbers)[4]) {
  *reinterpret_cast<uint4*>(to) = make_uint4(numbers[0], numbers[1], numbers[2], numbers[3]);
}
DEVICE void put_for_products(void* to, const u32 (&numbers)[2]) {
  *reinterpret_cast<uint2*>(to) = make_uint2(numbers[0], numbers[1]);
}
DEVICE void show_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
#define EIGHT(i)                                                                                         \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), "+f"(sums[i + 5]), \
      "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define SUMS_OF_GROUP EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56)
#define PLACES_OF_SUMS                                                                                        \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"   \
  "%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,"  \
  "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, %64, %65, "
DEVICE void multiply_async_tf32(float (&sums)[64], u64 left, u64 right) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 " PLACES_OF_SUMS "1, 1, 1;"
               : SUMS_OF_GROUP
               : "l"(left), "l"(right)
               : "memory");
}
DEVICE void multiply_async_bf16(float (&sums)[64], u64 left, u64 right) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " PLACES_OF_SUMS "1, 1, 1, 0, 0;"
               : SUMS_OF_GROUP
               : "l"(left), "l"(right)
               : "memory");
}
// The sums are operands, so that nothing which writes or reads them is moved past the fence or the wait.
DEVICE void begin_products(float (&sums)[64]) {
  asm volatile("wgmma.fence.sync.aligned;" : SUMS_OF_GROUP : : "memory");
}
template <int UnderWay>
DEVICE void wait_for_products(float (&sums)[64]) {
  asm volatile("wgmma.wait_group.sync.aligned %64;" : SUMS_OF_GROUP : "n"(UnderWay) : "memory");
}
#endif
#endif

struct bf16 {
  u16 bits;
  bf16() = default;
  MEMBER explicit bf16(float x) : bits(to_bf16(x)) {}
  MEMBER bf16& operator=(float x) {
    bits = to_bf16(x);
    return *this;
  }
  MEMBER operator float() const { return from_bf16(bits); }
};
struct alignas(8) HalfFour {
  bf16 at[4];
};
DEVICE HalfFour load_four(const bf16* from) { return *reinterpret_cast<const HalfFour*>(from); }
DEVICE void store_four(bf16* to, const HalfFour& four) { *reinterpret_cast<HalfFour*>(to) = four; }

// The larger and the smaller of two numbers; NaN if either is.
DEVICE float maximum(float a, float b) { return a >= b || a != a ? a : b; }
DEVICE float minimum(float a, float b) { return a <= b || a != a ? a : b; }
DEVICE double maximum(double a, double b) { return a >= b || a != a ? a : b; }
DEVICE double minimum(double a, double b) { return a <= b || a != a ? a : b; }
