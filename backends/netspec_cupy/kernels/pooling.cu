// Pooling: a thread for each number that is made. Gradients are gathered, not scattered: an input cell asks every
// window that sees it, so that sums have one order. x (N, cells, C), y (N, places, C); ``index`` numbers the taps of a window,
// or the cells of a box that every bin fits into, the last axis fastest. ``Number`` is what tensors are stored as.
#include "window.cuh"

// Whether a number takes the place of the largest so far: it is larger, or the first NaN.
DEVICE bool beats(float x, float best) { return x > best || (x != x && best == best); }

template <class Number, class Index>
DEVICE void max_under_window(const Number* x, Number* y, Index* index, int channels, const Window& w) {
  Own own(volume(w.output), channels);
  if (!own.inside) return;
  Cell place = cell_of(own.cell, w.output);
  const Number* first = x + own.sample * volume(w.input) * channels + own.channel;
  float best = -INFINITE;
  int winner = -1, taps = volume(w.size);
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    if (cell < 0) continue;
    float number = first[(i64)cell * channels];
    if (winner < 0 || beats(number, best)) {
      best = number;
      winner = tap;
    }
  }
  y[own.number] = best;
  if (index) index[own.number] = (Index)winner;
}

KERNEL(max_pool_uint8, 256, 48)(const float* x, float* y, u8* index, int channels, Window w) {
  max_under_window(x, y, index, channels, w);
}
EXPORT(max_pool_uint8)
KERNEL(max_pool_uint8_bf16, 256, 48)(const bf16* x, bf16* y, u8* index, int channels, Window w) {
  max_under_window(x, y, index, channels, w);
}
EXPORT(max_pool_uint8_bf16)
KERNEL(max_pool_int32, 256, 48)(const float* x, float* y, int* index, int channels, Window w) {
  max_under_window(x, y, index, channels, w);
}
EXPORT(max_pool_int32)
KERNEL(max_pool_int32_bf16, 256, 48)(const bf16* x, bf16* y, int* index, int channels, Window w) {
  max_under_window(x, y, index, channels, w);
}
EXPORT(max_pool_int32_bf16)

// dx, the sum of ``share`` times dy over the windows whose recorded tap met the cell, by one index or by either of two.
template <class Number, class Index>
DEVICE void send_back(const Index* index, const Index* other, const Number* dy, Number* dx, int channels,
                      const Window& w) {
  Own own(volume(w.input), channels);
  if (!own.inside) return;
  Cell cell = cell_of(own.cell, w.input);
  i64 first = own.sample * volume(w.output) * channels + own.channel;
  float total = 0.f;
  int taps = volume(w.size);
  for (int tap = 0; tap < taps; tap++) {
    int place = output_place(w, cell, cell_of(tap, w.size));
    if (place < 0) continue;
    i64 at = first + (i64)place * channels;
    if (!other) {
      if (index[at] == (Index)tap) total += dy[at];
    } else {
      if (index[at] == (Index)tap) total += dy[at] * 0.5f;
      if (other[at] == (Index)tap) total += dy[at] * 0.5f;
    }
  }
  dx[own.number] = total;
}

KERNEL(pool_gradient_uint8, 256, 48)
(const u8* index, const u8* other, const float* dy, float* dx, int channels, Window w) {
  send_back(index, other, dy, dx, channels, w);
}
EXPORT(pool_gradient_uint8)
KERNEL(pool_gradient_uint8_bf16, 256, 48)
(const u8* index, const u8* other, const bf16* dy, bf16* dx, int channels, Window w) {
  send_back(index, other, dy, dx, channels, w);
}
EXPORT(pool_gradient_uint8_bf16)
KERNEL(pool_gradient_int32, 256, 48)
(const int* index, const int* other, const float* dy, float* dx, int channels, Window w) {
  send_back(index, other, dy, dx, channels, w);
}
EXPORT(pool_gradient_int32)
KERNEL(pool_gradient_int32_bf16, 256, 48)
(const int* index, const int* other, const bf16* dy, bf16* dx, int channels, Window w) {
  send_back(index, other, dy, dx, channels, w);
}
EXPORT(pool_gradient_int32_bf16)

// The struct mirrors `Bins` in geometry.py; ``box`` has the sides of a box that every bin fits into.
struct Bins {
  int input[3], output[3], box[3];
};

template <class Number, class Index>
DEVICE void max_of_bin(const Number* x, Number* y, Index* index, int channels, const Bins& bins) {
  Own own(volume(bins.output), channels);
  if (!own.inside) return;
  Cell place = cell_of(own.cell, bins.output);
  int first[3], end[3];
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    first[axis] = bin_first(place.at[axis], bins.input[axis], bins.output[axis]);
    end[axis] = bin_end(place.at[axis], bins.input[axis], bins.output[axis]);
  }
  const Number* sample = x + own.sample * volume(bins.input) * channels + own.channel;
  float best = -INFINITE;
  int winner = -1;
  for (int i = first[0]; i < end[0]; i++)
    for (int j = first[1]; j < end[1]; j++)
      for (int k = first[2]; k < end[2]; k++) {
        float number = sample[(((i64)i * bins.input[1] + j) * bins.input[2] + k) * channels];
        if (winner < 0 || beats(number, best)) {
          best = number;
          winner = ((i - first[0]) * bins.box[1] + j - first[1]) * bins.box[2] + k - first[2];
        }
      }
  y[own.number] = best;
  if (index) index[own.number] = (Index)winner;
}

KERNEL(adaptive_max_uint8, 256, 64)(const float* x, float* y, u8* index, int channels, Bins bins) {
  max_of_bin(x, y, index, channels, bins);
}
EXPORT(adaptive_max_uint8)
KERNEL(adaptive_max_uint8_bf16, 256, 64)(const bf16* x, bf16* y, u8* index, int channels, Bins bins) {
  max_of_bin(x, y, index, channels, bins);
}
EXPORT(adaptive_max_uint8_bf16)
KERNEL(adaptive_max_int32, 256, 64)(const float* x, float* y, int* index, int channels, Bins bins) {
  max_of_bin(x, y, index, channels, bins);
}
EXPORT(adaptive_max_int32)
KERNEL(adaptive_max_int32_bf16, 256, 64)(const bf16* x, bf16* y, int* index, int channels, Bins bins) {
  max_of_bin(x, y, index, channels, bins);
}
EXPORT(adaptive_max_int32_bf16)

template <class Number, class Index>
DEVICE void send_back_from_bins(const Index* index, const Number* dy, Number* dx, int channels,
                                const Bins& bins) {
  Own own(volume(bins.input), channels);
  if (!own.inside) return;
  Cell cell = cell_of(own.cell, bins.input);
  int first[3], end[3];  // the bins that hold the cell: those that begin before its end and end behind its beginning
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    first[axis] = bin_first(cell.at[axis], bins.output[axis], bins.input[axis]);
    end[axis] = bin_end(cell.at[axis], bins.output[axis], bins.input[axis]);
  }
  i64 sample = own.sample * volume(bins.output) * channels + own.channel;
  float total = 0.f;
  for (int i = first[0]; i < end[0]; i++)
    for (int j = first[1]; j < end[1]; j++)
      for (int k = first[2]; k < end[2]; k++) {
        i64 at = sample + (((i64)i * bins.output[1] + j) * bins.output[2] + k) * channels;
        int a = cell.at[0] - bin_first(i, bins.input[0], bins.output[0]);
        int b = cell.at[1] - bin_first(j, bins.input[1], bins.output[1]);
        int c = cell.at[2] - bin_first(k, bins.input[2], bins.output[2]);
        if (index[at] == (Index)((a * bins.box[1] + b) * bins.box[2] + c)) total += dy[at];
      }
  dx[own.number] = total;
}

KERNEL(adaptive_gradient_uint8, 256, 112)
(const u8* index, const float* dy, float* dx, int channels, Bins bins) {
  send_back_from_bins(index, dy, dx, channels, bins);
}
EXPORT(adaptive_gradient_uint8)
KERNEL(adaptive_gradient_uint8_bf16, 256, 112)
(const u8* index, const bf16* dy, bf16* dx, int channels, Bins bins) {
  send_back_from_bins(index, dy, dx, channels, bins);
}
EXPORT(adaptive_gradient_uint8_bf16)
KERNEL(adaptive_gradient_int32, 256, 120)
(const int* index, const float* dy, float* dx, int channels, Bins bins) {
  send_back_from_bins(index, dy, dx, channels, bins);
}
EXPORT(adaptive_gradient_int32)
KERNEL(adaptive_gradient_int32_bf16, 256, 120)
(const int* index, const bf16* dy, bf16* dx, int channels, Bins bins) {
  send_back_from_bins(index, dy, dx, channels, bins);
}
EXPORT(adaptive_gradient_int32_bf16)

// x to the power of a small whole number, in float64, which holds those of every float32 up to 6.
DEVICE double power(double x, int p) {
  double found = 1.0;
  for (int each = 0; each < p; each++) found *= x;
  return found;
}

// y = (sum |x|^p)^(1/p)
KERNEL(lp_pool, 256, 40)(const float* x, float* y, int channels, int p, Window w) {
  Own own(volume(w.output), channels);
  if (!own.inside) return;
  Cell place = cell_of(own.cell, w.output);
  const float* first = x + own.sample * volume(w.input) * channels + own.channel;
  double total = 0.0;
  int taps = volume(w.size);
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    if (cell >= 0) total += power(fabs((double)first[(i64)cell * channels]), p);
  }
  y[own.number] = (float)(p == 1 ? total : p == 2 ? sqrt(total) : pow(total, 1.0 / p));
}
EXPORT(lp_pool)

// dx = sign(x) |x|^(p-1) times the sum of dy / y^(p-1) over the windows that see x; a window of zeros has none
KERNEL(lp_pool_gradient, 256, 48)
(const float* x, const float* y, const float* dy, float* dx, int channels, int p, Window w) {
  Own own(volume(w.input), channels);
  if (!own.inside) return;
  Cell cell = cell_of(own.cell, w.input);
  i64 first = own.sample * volume(w.output) * channels + own.channel;
  double total = 0.0, number = x[own.number];
  int taps = volume(w.size);
  for (int tap = 0; tap < taps; tap++) {
    int place = output_place(w, cell, cell_of(tap, w.size));
    if (place < 0) continue;
    i64 at = first + (i64)place * channels;
    if (y[at] != 0.f) total += (double)dy[at] / power((double)y[at], p - 1);
  }
  double sign = number > 0.0 ? 1.0 : number < 0.0 ? -1.0 : number;
  dx[own.number] = (float)(total * sign * power(fabs(number), p - 1));
}
EXPORT(lp_pool_gradient)

// The taps that met the number of a rank: how many come before it is counted, which needs no memory.
template <class Index>
DEVICE void median_under_window(const float* x, float* y, Index* lower, Index* upper, int channels,
                                const Window& w) {
  Own own(volume(w.output), channels);
  if (!own.inside) return;
  Cell place = cell_of(own.cell, w.output);
  const float* first = x + own.sample * volume(w.input) * channels + own.channel;
  int taps = volume(w.size), seen = 0, nan = -1, low = -1, high = -1;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    if (cell < 0) continue;
    seen++;
    float number = first[(i64)cell * channels];
    if (number != number && nan < 0) nan = tap;
  }
  float low_number = 0.f, high_number = 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    if (cell < 0 || (nan >= 0 && tap != nan)) continue;
    float number = first[(i64)cell * channels];
    int rank = 0;
    for (int other = 0; other < taps && nan < 0; other++) {
      int there = input_cell(w, place, cell_of(other, w.size));
      if (there < 0) continue;
      float against = first[(i64)there * channels];
      rank += against < number || (against == number && other < tap);
    }
    if (nan >= 0 || rank == (seen - 1) / 2) {
      low = tap;
      low_number = number;
    }
    if (nan >= 0 || rank == seen / 2) {
      high = tap;
      high_number = number;
    }
  }
  y[own.number] = low_number * 0.5f + high_number * 0.5f;
  lower[own.number] = (Index)low;
  upper[own.number] = (Index)high;
}

KERNEL(median_pool_uint8, 256, 56)
(const float* x, float* y, u8* lower, u8* upper, int channels, Window w) {
  median_under_window(x, y, lower, upper, channels, w);
}
EXPORT(median_pool_uint8)
KERNEL(median_pool_int32, 256, 56)
(const float* x, float* y, int* lower, int* upper, int channels, Window w) {
  median_under_window(x, y, lower, upper, channels, w);
}
EXPORT(median_pool_int32)
