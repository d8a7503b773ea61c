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
//   to_tf32(x), to_bf16(x), from_bf16(h)            roundings, to nearest (ties of bfloat16 to even, of TF32 away)
//   pair_of_bf16(low, high)                         two numbers rounded to bfloat16, the first in the lower half
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
  u32 bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
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
#endif

// The larger and the smaller of two numbers; NaN if either is.
DEVICE float maximum(float a, float b) { return a >= b || a != a ? a : b; }
DEVICE float minimum(float a, float b) { return a <= b || a != a ? a : b; }
DEVICE double maximum(double a, double b) { return a >= b || a != a ? a : b; }
DEVICE double minimum(double a, double b) { return a <= b || a != a ? a : b; }
