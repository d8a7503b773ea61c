// Layers under a window that are worked out number by number: those with weights of their own at each place, and
// convolutions of groups so small that the tiles of a product would be nearly empty, such as depthwise ones.
#include "finish.cuh"
#include "rows.cuh"
#include "window.cuh"

// y (N, places, K) = bias + the sum over taps and the group's channels of x (N, cells, C) w (taps, C/groups, K)
KERNEL(grouped_forward, 256, 72)
(const float* x, const float* weight, const float* bias, float* y, Convolution layer, Finish finish) {
  const Window& w = layer.window;
  int filters = layer.output_channels, channels = layer.group_inputs();
  int places = volume(w.output), taps = volume(w.size);
  Own own(places, filters);
  if (!own.inside) return;
  Cell place = cell_of(own.cell, w.output);
  const float* sample = x + own.sample * volume(w.input) * layer.input_channels;
  sample += own.channel / layer.group_outputs() * channels;
  float sum = bias ? bias[own.channel] : 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, place, cell_of(tap, w.size));
    if (cell < 0) continue;
    for (int c = 0; c < channels; c++)
      sum += sample[(i64)cell * layer.input_channels + c] * weight[(tap * channels + c) * filters + own.channel];
  }
  y[own.number] = finish.of(sum, own.number);
}
EXPORT(grouped_forward)

// dx = the sum over taps and the group's filters of dy w
KERNEL(grouped_input_gradient, 256, 64)(const float* dy, const float* weight, float* dx, Convolution layer) {
  const Window& w = layer.window;
  int filters = layer.output_channels, channels = layer.group_inputs(), cells = volume(w.input), taps = volume(w.size);
  Own own(cells, layer.input_channels);
  if (!own.inside) return;
  Cell cell = cell_of(own.cell, w.input);
  int first = own.channel / channels * layer.group_outputs();
  const float* sample = dy + own.sample * volume(w.output) * filters + first;
  float sum = 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int place = output_place(w, cell, cell_of(tap, w.size));
    if (place < 0) continue;
    const float* weights = weight + (tap * channels + own.channel % channels) * filters + first;
    for (int k = 0; k < layer.group_outputs(); k++) sum += sample[(i64)place * filters + k] * weights[k];
  }
  dx[own.number] = sum;
}
EXPORT(grouped_input_gradient)

// dw seen as sums over the rows of a table: a row for every sample and place, a column for every weight.
struct Meeting {
  const float *x, *dy;
  const Convolution& layer;
  MEMBER void at(int row, int column, float* values) const {
    const Window& w = layer.window;
    int filter = column % layer.output_channels, rest = column / layer.output_channels;
    int channel = rest % layer.group_inputs() + filter / layer.group_outputs() * layer.group_inputs();
    int places = volume(w.output);
    int cell = input_cell(w, cell_of(row % places, w.output), cell_of(rest / layer.group_inputs(), w.size));
    i64 seen = (i64)(row / places) * volume(w.input) + cell;
    float slope = dy[(i64)row * layer.output_channels + filter];
    values[0] = cell < 0 ? 0.f : x[seen * layer.input_channels + channel] * slope;
  }
};

KERNEL(sum_meetings, 256, 56)
(const float* x, const float* dy, float* parts, int samples, int places, int columns, int chunk_rows,
 Convolution layer) {
  sum_chunk<1>(Meeting{x, dy, layer}, parts, samples * places, columns, chunk_rows);
}
EXPORT(sum_meetings)

// Where the weights of a place, a tap and a channel of the group begin: w (places, taps, C/groups, K)
DEVICE i64 weights_of(const Convolution& layer, int place, int tap, int channel) {
  i64 tap_number = (i64)place * volume(layer.window.size) + tap;
  return (tap_number * layer.group_inputs() + channel) * layer.output_channels;
}

// y = bias + the sum over taps and channels of x w, with bias (places, K)
KERNEL(local_forward, 256, 80)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution layer) {
  const Window& w = layer.window;
  int places = volume(w.output), taps = volume(w.size), filters = layer.output_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * places * filters) return;
  int filter = (int)(number % filters), place = (int)(number / filters % places);
  int group = filter / layer.group_outputs();
  const float* sample = x + number / filters / places * volume(w.input) * layer.input_channels;
  float sum = bias ? bias[(i64)place * filters + filter] : 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, cell_of(place, w.output), cell_of(tap, w.size));
    if (cell < 0) continue;
    const float* from = sample + (i64)cell * layer.input_channels + group * layer.group_inputs();
    for (int c = 0; c < layer.group_inputs(); c++) sum += from[c] * weight[weights_of(layer, place, tap, c) + filter];
  }
  y[number] = sum;
}
EXPORT(local_forward)

// dx = the sum over taps and filters of dy w
KERNEL(local_input_gradient, 256, 80)
(const float* dy, const float* weight, float* dx, int samples, Convolution layer) {
  const Window& w = layer.window;
  int cells = volume(w.input), taps = volume(w.size), channels = layer.input_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * cells * channels) return;
  int channel = (int)(number % channels), cell = (int)(number / channels % cells);
  int group = channel / layer.group_inputs();
  const float* sample = dy + number / channels / cells * volume(w.output) * layer.output_channels;
  float sum = 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int place = output_place(w, cell_of(cell, w.input), cell_of(tap, w.size));
    if (place < 0) continue;
    i64 first = weights_of(layer, place, tap, channel % layer.group_inputs());
    for (int k = group * layer.group_outputs(); k < (group + 1) * layer.group_outputs(); k++)
      sum += sample[(i64)place * layer.output_channels + k] * weight[first + k];
  }
  dx[number] = sum;
}
EXPORT(local_input_gradient)

// dw (places, taps, C/groups, K) = the sum over samples of x dy, 0 in the padding
KERNEL(local_weight_gradient, 256, 40)
(const float* x, const float* dy, float* dw, int samples, Convolution layer) {
  const Window& w = layer.window;
  int places = volume(w.output), taps = volume(w.size), filters = layer.output_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)places * taps * layer.group_inputs() * filters) return;
  int filter = (int)(number % filters), channel = (int)(number / filters % layer.group_inputs());
  int tap = (int)(number / filters / layer.group_inputs() % taps);
  int place = (int)(number / filters / layer.group_inputs() / taps);
  int cell = input_cell(w, cell_of(place, w.output), cell_of(tap, w.size));
  int first = filter / layer.group_outputs() * layer.group_inputs() + channel;
  float sum = 0.f;
  for (int n = 0; n < samples && cell >= 0; n++)
    sum += x[((i64)n * volume(w.input) + cell) * layer.input_channels + first] *
           dy[((i64)n * places + place) * filters + filter];
  dw[number] = sum;
}
EXPORT(local_weight_gradient)
