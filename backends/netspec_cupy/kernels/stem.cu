// The weight gradient of convolutions of maps with few channels, such as the first of a network, whose numbers under the
// window are too few to fill tiles and lie badly for them. A block brings what the windows of 32 places of a row see,
// and the gradients there, into shared memory, and each of its threads makes 10 x 4 sums of it: as many numbers under
// the window as lie 16 apart, by four filters. Where they lie is worked out once.
#include "window.cuh"

const int PLACES = 32, ACROSS = 16, DOWN = 16, EACH_DOWN = 10, FILTERS = 4 * ACROSS;

// What the windows of some places of a row see: so many rows of so many numbers. Mirrors `Seen` in stem.py.
struct Seen {
  int rows, numbers;
};

// parts (parts, taps, C, K) = the sums over some places of x dy: x (N, cells, C), dy (N, places, K); a block's x is its
// part, its y which 64 filters.
KERNEL(stem_weight_gradient, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int part_count, Seen seen, Convolution layer) {
  DYNAMIC_SHARED(float, shared);
  float *of_x = shared, *of_dy = shared + (seen.rows * seen.numbers + 3) / 4 * 4;
  const Window& w = layer.window;
  int channels = layer.input_channels, filters = layer.output_channels, terms = w.size[1] * w.size[2] * channels;
  int across = threadIdx.x % ACROSS, down = threadIdx.x / ACROSS, first_filter = blockIdx.y * FILTERS;
  int strips = (w.output[2] + PLACES - 1) / PLACES, units = samples * w.output[1] * strips;
  int length = (units + part_count - 1) / part_count, first = blockIdx.x * length;
  int end = first + length < units ? first + length : units, step = w.stride[2] * channels;
  int under[EACH_DOWN];
#pragma unroll
  for (int i = 0; i < EACH_DOWN; i++) {
    int term = down + i * DOWN < terms ? down + i * DOWN : 0, tap = term / channels;
    int row = tap / w.size[2] * w.dilation[1], column = tap % w.size[2] * w.dilation[2];
    under[i] = row * seen.numbers + column * channels + term % channels;
  }
  float sums[EACH_DOWN][4] = {};
  for (int unit = first; unit < end; unit++) {
    int line = unit / strips, place = unit % strips * PLACES, sample = line / w.output[1];
    int top = line % w.output[1] * w.stride[1] - w.before[1], left = (place * w.stride[2] - w.before[2]) * channels;
    int width = w.input[2] * channels;
    barrier();  // what was brought before is used no more
    for (int at = threadIdx.x; at < seen.rows * seen.numbers; at += blockDim.x) {
      int row = top + at / seen.numbers, number = left + at % seen.numbers;
      bool inside = row >= 0 && row < w.input[1] && number >= 0 && number < width;
      of_x[at] = inside ? x[((i64)sample * w.input[1] + row) * width + number] : 0.f;
    }
    for (int at = threadIdx.x; at < PLACES * FILTERS; at += blockDim.x) {
      int own = place + at / FILTERS, filter = first_filter + at % FILTERS;
      bool inside = own < w.output[2] && filter < filters;
      of_dy[at] = inside ? dy[((i64)line * w.output[2] + own) * filters + filter] : 0.f;
    }
    barrier();
    for (int own = 0; own < PLACES; own++) {
      Four slopes = load_four(of_dy + own * FILTERS + across * 4);
#pragma unroll
      for (int i = 0; i < EACH_DOWN; i++) {
        float cell = of_x[under[i] + own * step];
#pragma unroll
        for (int j = 0; j < 4; j++) sums[i][j] += cell * slopes.at[j];
      }
    }
  }
  float* own = parts + (i64)blockIdx.x * terms * filters;
#pragma unroll
  for (int i = 0; i < EACH_DOWN; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      int term = down + i * DOWN, filter = first_filter + across * 4 + j;
      if (term < terms && filter < filters) own[(i64)term * filters + filter] = sums[i][j];
    }
}
EXPORT(stem_weight_gradient)
