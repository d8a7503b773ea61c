// Dropout. The mask is never stored: forward and backward compute the same one, and the same as every other backend's.
// Of the four words that Philox4x32-10 (Salmon et al., SC 2011) makes of counter and key, word ``index % 4`` is the
// element's: counter (index / 4 low, index / 4 high, step, seed), key the two halves of the layer's key.
#include "device.cuh"

DEVICE u32 high_half(u64 product) { return (u32)(product >> 32); }

DEVICE u32 random_word(i64 index, u32 step, u32 seed, u32 key_0, u32 key_1) {
  u64 counter = (u64)index / 4;
  u32 c0 = (u32)counter, c1 = high_half(counter), c2 = step, c3 = seed;
  for (int round = 0; round < 10; round++) {
    u64 product_0 = (u64)0xD2511F53u * c0, product_1 = (u64)0xCD9E8D57u * c2;
    c0 = high_half(product_1) ^ c1 ^ key_0;
    c1 = (u32)product_1;
    c2 = high_half(product_0) ^ c3 ^ key_1;
    c3 = (u32)product_0;
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
  u32 low = index % 2 ? c1 : c0, high = index % 2 ? c3 : c2;
  return index % 4 < 2 ? low : high;
}

// y = x / (1 - rate) where the word is at least ``threshold``, else 0. An element's index is its number; that of its
// sample and channel (``drop`` 1) or that of its sample (``drop`` 2) where those drop as a whole. y may be x.
template <class Number>
DEVICE void drop_some(const Number* x, const int* seed, const int* step, Number* y, int samples, int positions,
                      int channels, int drop, u64 threshold, float scale, u32 key_0, u32 key_1) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x, each = (i64)positions * channels;
  if (number >= samples * each) return;
  i64 index = drop == 0 ? number : drop == 1 ? number / each * channels + number % channels : number / each;
  u32 word = random_word(index, (u32)step[0], (u32)seed[0], key_0, key_1);
  y[number] = word >= threshold ? (float)x[number] * scale : 0.f;
}

KERNEL(dropout_mask, 256, 32)
(const float* x, const int* seed, const int* step, float* y, int samples, int positions, int channels, int drop,
 u64 threshold, float scale, u32 key_0, u32 key_1) {
  drop_some(x, seed, step, y, samples, positions, channels, drop, threshold, scale, key_0, key_1);
}
EXPORT(dropout_mask)

KERNEL(dropout_mask_bf16, 256, 32)
(const bf16* x, const int* seed, const int* step, bf16* y, int samples, int positions, int channels, int drop,
 u64 threshold, float scale, u32 key_0, u32 key_1) {
  drop_some(x, seed, step, y, samples, positions, channels, drop, threshold, scale, key_0, key_1);
}
EXPORT(dropout_mask_bf16)
