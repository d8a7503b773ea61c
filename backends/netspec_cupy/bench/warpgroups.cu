// Products by warpgroups in the smallest way that shows whether tiles are described and numbers lie as warpgroups.cuh
// takes them to: c (128, 128) = a (128, depth) b^T.
// needs sm_90a
#include "dense.cuh"
#include "warpgroups.cuh"

KERNEL(multiply_groups_tf32, 256, 255)(const float* a, const float* b, float* c, int depth) {
  input_gradient<OnWarpgroups<GroupTf32>>(a, b, in_float32(c), 128, 128, depth);
}
EXPORT(multiply_groups_tf32)

KERNEL(multiply_groups_bf16, 256, 255)(const bf16* a, const bf16* b, float* c, int depth) {
  input_gradient<OnWarpgroups<GroupBfloat16>>(a, b, in_float32(c), 128, 128, depth);
}
EXPORT(multiply_groups_bf16)
