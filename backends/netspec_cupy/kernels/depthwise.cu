// Depthwise convolutions of maps: each channel has a window of its own, SIZE x SIZE, and neighbouring threads have
// neighbouring channels. A thread works on four neighbouring cells of a row, so that what windows have in common is read
// once. x (N, rows, columns, C)  w (SIZE, SIZE, C)  y (N, rows, columns, C)
#include "finish.cuh"
#include "window.cuh"

const int STRIP = 4, LANES_OF_CHANNELS = 32, WORKERS = 8;

// A strip of four cells of one channel, of a map that is cut into so many strips to a row.
struct Strip {
  i64 sample;
  int row, strip, channel;
  bool inside;
  MEMBER Strip(int samples, int rows, int strips, int channels) {
    i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x, rest = number / channels;
    inside = number < (i64)samples * rows * strips * channels;
    channel = (int)(number % channels);
    strip = (int)(rest % strips);
    row = (int)(rest / strips % rows);
    sample = rest / strips / rows;
  }
};

// COUNT neighbours of a row of cells from ``first`` on, zeros where there are none
template <int COUNT>
DEVICE void read_cells(const float* row, int first, int cells, int channels, float (&numbers)[COUNT]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++)
    numbers[i] = first + i >= 0 && first + i < cells ? row[(i64)(first + i) * channels] : 0.f;
}

// y = bias + the sum over taps of x w
template <int SIZE, int STRIDE>
DEVICE void depthwise(const float* x, const float* weight, const float* bias, float* y, int samples,
                      const Convolution& layer, const Finish& finish) {
  const Window& w = layer.window;
  int channels = layer.output_channels;
  Strip own(samples, w.output[1], (w.output[2] + STRIP - 1) / STRIP, channels);
  if (!own.inside) return;
  float sums[STRIP] = {};
#pragma unroll
  for (int r = 0; r < SIZE; r++) {
    int row = own.row * STRIDE - w.before[1] + r;
    if (row < 0 || row >= w.input[1]) continue;
    float cells[(STRIP - 1) * STRIDE + SIZE];
    read_cells(x + ((own.sample * w.input[1] + row) * w.input[2]) * channels + own.channel,
               own.strip * STRIP * STRIDE - w.before[2], w.input[2], channels, cells);
#pragma unroll
    for (int s = 0; s < SIZE; s++) {
      float factor = weight[(r * SIZE + s) * channels + own.channel];
#pragma unroll
      for (int i = 0; i < STRIP; i++) sums[i] += cells[i * STRIDE + s] * factor;
    }
  }
#pragma unroll
  for (int i = 0; i < STRIP; i++) {
    int column = own.strip * STRIP + i;
    if (column >= w.output[2]) return;
    i64 place = ((own.sample * w.output[1] + own.row) * w.output[2] + column) * channels + own.channel;
    y[place] = finish.of(sums[i] + (bias ? bias[own.channel] : 0.f), place);
  }
}

// dx = the sum over taps of dy w. Strips begin where a window's first tap may, so that which taps meet which of the
// four cells is known beforehand.
template <int SIZE, int STRIDE>
DEVICE void depthwise_input_gradient(const float* dy, const float* weight, float* dx, int samples,
                                     const Convolution& layer) {
  const Window& w = layer.window;
  const int BACK = (SIZE - 1) / STRIDE;
  int channels = layer.output_channels, ahead = w.before[2] % STRIDE;
  Strip own(samples, w.input[1], (w.input[2] + ahead + STRIP - 1) / STRIP, channels);
  if (!own.inside) return;
  int first = own.strip * STRIP - ahead, place = (first + w.before[2]) / STRIDE;
  float sums[STRIP] = {};
#pragma unroll
  for (int r = 0; r < SIZE; r++) {
    int far = own.row + w.before[1] - r, row = far / STRIDE;
    if (far < 0 || far % STRIDE || row >= w.output[1]) continue;
    float places[BACK + (STRIP - 1) / STRIDE + 1];
    read_cells(dy + ((own.sample * w.output[1] + row) * w.output[2]) * channels + own.channel, place - BACK,
               w.output[2], channels, places);
#pragma unroll
    for (int s = 0; s < SIZE; s++) {
      float factor = weight[(r * SIZE + s) * channels + own.channel];
#pragma unroll
      for (int i = 0; i < STRIP; i++)
        if ((i - s) % STRIDE == 0) sums[i] += places[BACK + (i - s) / STRIDE] * factor;
    }
  }
#pragma unroll
  for (int i = 0; i < STRIP; i++)
    if (first + i >= 0 && first + i < w.input[2])
      dx[((own.sample * w.input[1] + own.row) * w.input[2] + first + i) * channels + own.channel] = sums[i];
}

// parts (chunks, SIZE, SIZE, C) = the sums over some rows of all samples of x dy: a block has 32 channels, and each of
// its 8 warps every eighth row.
template <int SIZE, int STRIDE>
DEVICE void depthwise_weight_gradient(const float* x, const float* dy, float* parts, int samples, int chunk_rows,
                                      const Convolution& layer) {
  SHARED(float, of_workers, [WORKERS][SIZE * SIZE][LANES_OF_CHANNELS]);
  const Window& w = layer.window;
  int across = threadIdx.x % LANES_OF_CHANNELS, worker = threadIdx.x / LANES_OF_CHANNELS;
  int channels = layer.output_channels, channel = blockIdx.x * LANES_OF_CHANNELS + across;
  int rows = samples * w.output[1], first = blockIdx.y * chunk_rows;
  int end = first + chunk_rows < rows ? first + chunk_rows : rows;
  float sums[SIZE][SIZE] = {};
  if (channel < channels)
    for (int at = first + worker; at < end; at += WORKERS) {
      int top = at % w.output[1] * STRIDE - w.before[1];
      const float* sample = x + (i64)(at / w.output[1]) * w.input[1] * w.input[2] * channels + channel;
      for (int column = 0; column < w.output[2]; column += STRIP) {
        float slopes[STRIP], cells[(STRIP - 1) * STRIDE + SIZE];
        read_cells(dy + (i64)at * w.output[2] * channels + channel, column, w.output[2], channels, slopes);
#pragma unroll
        for (int r = 0; r < SIZE; r++) {
          if (top + r < 0 || top + r >= w.input[1]) continue;
          read_cells(sample + (i64)(top + r) * w.input[2] * channels, column * STRIDE - w.before[2], w.input[2],
                     channels, cells);
#pragma unroll
          for (int s = 0; s < SIZE; s++)
#pragma unroll
            for (int i = 0; i < STRIP; i++) sums[r][s] += cells[i * STRIDE + s] * slopes[i];
        }
      }
    }
#pragma unroll
  for (int tap = 0; tap < SIZE * SIZE; tap++) of_workers[worker][tap][across] = sums[tap / SIZE][tap % SIZE];
  barrier();
  if (channel >= channels) return;
  for (int tap = worker; tap < SIZE * SIZE; tap += WORKERS) {
    float total = 0.f;
    for (int each = 0; each < WORKERS; each++) total += of_workers[each][tap][across];
    parts[((i64)blockIdx.y * SIZE * SIZE + tap) * channels + channel] = total;
  }
}

KERNEL(depthwise_forward_3_1, 256, 72)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution layer, Finish finish) {
  depthwise<3, 1>(x, weight, bias, y, samples, layer, finish);
}
EXPORT(depthwise_forward_3_1)

KERNEL(depthwise_input_gradient_3_1, 256, 72)
(const float* dy, const float* weight, float* dx, int samples, Convolution layer) {
  depthwise_input_gradient<3, 1>(dy, weight, dx, samples, layer);
}
EXPORT(depthwise_input_gradient_3_1)

KERNEL(depthwise_weight_gradient_3_1, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int chunk_rows, Convolution layer) {
  depthwise_weight_gradient<3, 1>(x, dy, parts, samples, chunk_rows, layer);
}
EXPORT(depthwise_weight_gradient_3_1)

KERNEL(depthwise_forward_3_2, 256, 72)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution layer, Finish finish) {
  depthwise<3, 2>(x, weight, bias, y, samples, layer, finish);
}
EXPORT(depthwise_forward_3_2)

KERNEL(depthwise_input_gradient_3_2, 256, 72)
(const float* dy, const float* weight, float* dx, int samples, Convolution layer) {
  depthwise_input_gradient<3, 2>(dy, weight, dx, samples, layer);
}
EXPORT(depthwise_input_gradient_3_2)

KERNEL(depthwise_weight_gradient_3_2, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int chunk_rows, Convolution layer) {
  depthwise_weight_gradient<3, 2>(x, dy, parts, samples, chunk_rows, layer);
}
EXPORT(depthwise_weight_gradient_3_2)

KERNEL(depthwise_forward_5_1, 256, 72)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution layer, Finish finish) {
  depthwise<5, 1>(x, weight, bias, y, samples, layer, finish);
}
EXPORT(depthwise_forward_5_1)

KERNEL(depthwise_input_gradient_5_1, 256, 72)
(const float* dy, const float* weight, float* dx, int samples, Convolution layer) {
  depthwise_input_gradient<5, 1>(dy, weight, dx, samples, layer);
}
EXPORT(depthwise_input_gradient_5_1)

KERNEL(depthwise_weight_gradient_5_1, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int chunk_rows, Convolution layer) {
  depthwise_weight_gradient<5, 1>(x, dy, parts, samples, chunk_rows, layer);
}
EXPORT(depthwise_weight_gradient_5_1)

KERNEL(depthwise_forward_5_2, 256, 72)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution layer, Finish finish) {
  depthwise<5, 2>(x, weight, bias, y, samples, layer, finish);
}
EXPORT(depthwise_forward_5_2)

KERNEL(depthwise_input_gradient_5_2, 256, 72)
(const float* dy, const float* weight, float* dx, int samples, Convolution layer) {
  depthwise_input_gradient<5, 2>(dy, weight, dx, samples, layer);
}
EXPORT(depthwise_input_gradient_5_2)

KERNEL(depthwise_weight_gradient_5_2, 256, 128)
(const float* x, const float* dy, float* parts, int samples, int chunk_rows, Convolution layer) {
  depthwise_weight_gradient<5, 2>(x, dy, parts, samples, chunk_rows, layer);
}
EXPORT(depthwise_weight_gradient_5_2)
