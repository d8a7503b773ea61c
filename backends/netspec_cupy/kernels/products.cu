// Products of stretched tensors, squared distances, and windows with weights of their own at each place.
#include "window.cuh"

// The struct mirrors `Stretched` in geometry.py: y is made over the axes ``made`` of a sample, and each of its numbers is
// a sum over ``summed``; ``steps`` tells, for each factor, how far apart its numbers are along all of these axes, 0 where
// it is stretched.
struct Stretched {
  int made[4], summed[4];
  int factors;
};

// y = the sum of the products of factors; ``factors`` holds their addresses, ``steps`` (factors, 9): the sample, the axes
// that are made, the axes that are summed
KERNEL(multiply_stretched, 256, 80)
(const float* const* factors, const i64* steps, float* y, int samples, Stretched s) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x, rest = number;
  if (number >= (i64)samples * s.made[0] * s.made[1] * s.made[2] * s.made[3]) return;
  int at[4];
  for (int axis = 3; axis >= 0; axis--) {
    at[axis] = (int)(rest % s.made[axis]);
    rest /= s.made[axis];
  }
  float sum = 0.f;
  int terms = s.summed[0] * s.summed[1] * s.summed[2] * s.summed[3];
  for (int term = 0; term < terms; term++) {
    float product = 1.f;
    for (int each = 0; each < s.factors; each++) {
      const i64* step = steps + each * 9;
      i64 place = rest * step[0];
      int left = term;
      for (int axis = 3; axis >= 0; axis--) {
        place += at[axis] * step[1 + axis] + left % s.summed[axis] * step[5 + axis];
        left /= s.summed[axis];
      }
      product *= factors[each][place];
    }
    sum += product;
  }
  y[number] = sum;
}
EXPORT(multiply_stretched)

// Squared distances: y (N, U) = the sum over inputs of (x - w)^2, with x (N, I) and w (I, U)
KERNEL(squared_distances, 256, 56)
(const float* x, const float* weight, float* y, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * units) return;
  const float* row = x + number / units * inputs;
  float sum = 0.f;
  for (int i = 0; i < inputs; i++) {
    float apart = row[i] - weight[(i64)i * units + number % units];
    sum += apart * apart;
  }
  y[number] = sum;
}
EXPORT(squared_distances)

// dx (N, I) = 2 times the sum over units of (x - w) dy
KERNEL(distances_input_gradient, 256, 56)
(const float* x, const float* weight, const float* dy, float* dx, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * inputs) return;
  const float* row = dy + number / inputs * units;
  float sum = 0.f;
  for (int j = 0; j < units; j++) sum += (x[number] - weight[number % inputs * units + j]) * row[j];
  dx[number] = 2.f * sum;
}
EXPORT(distances_input_gradient)

// dw (I, U) = 2 times the sum over samples of (w - x) dy
KERNEL(distances_weight_gradient, 256, 64)
(const float* x, const float* weight, const float* dy, float* dw, int samples, int inputs, int units) {
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)inputs * units) return;
  float sum = 0.f;
  for (int n = 0; n < samples; n++)
    sum += (weight[number] - x[(i64)n * inputs + number / units]) * dy[(i64)n * units + number % units];
  dw[number] = 2.f * sum;
}
EXPORT(distances_weight_gradient)

// The struct mirrors `Convolution` in geometry.py.
struct Layer {
  Window window;
  int input_channels, output_channels, groups;
  MEMBER int inputs() const { return input_channels / groups; }
  MEMBER int outputs() const { return output_channels / groups; }
};

// Where the weights of a place, a tap and a channel of the group begin: w (places, taps, C/groups, K)
DEVICE i64 weights_of(const Layer& layer, int place, int tap, int channel) {
  i64 tap_number = (i64)place * volume(layer.window.size) + tap;
  return (tap_number * layer.inputs() + channel) * layer.output_channels;
}

// y = bias + the sum over taps and channels of x w, with bias (places, K)
KERNEL(local_forward, 256, 80)
(const float* x, const float* weight, const float* bias, float* y, int samples, Layer layer) {
  const Window& w = layer.window;
  int places = volume(w.output), taps = volume(w.size), filters = layer.output_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * places * filters) return;
  int filter = (int)(number % filters), place = (int)(number / filters % places), group = filter / layer.outputs();
  const float* sample = x + number / filters / places * volume(w.input) * layer.input_channels;
  float sum = bias ? bias[(i64)place * filters + filter] : 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int cell = input_cell(w, cell_of(place, w.output), cell_of(tap, w.size));
    if (cell < 0) continue;
    const float* from = sample + (i64)cell * layer.input_channels + group * layer.inputs();
    for (int c = 0; c < layer.inputs(); c++) sum += from[c] * weight[weights_of(layer, place, tap, c) + filter];
  }
  y[number] = sum;
}
EXPORT(local_forward)

// dx = the sum over taps and filters of dy w
KERNEL(local_input_gradient, 256, 80)
(const float* dy, const float* weight, float* dx, int samples, Layer layer) {
  const Window& w = layer.window;
  int cells = volume(w.input), taps = volume(w.size), channels = layer.input_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)samples * cells * channels) return;
  int channel = (int)(number % channels), cell = (int)(number / channels % cells), group = channel / layer.inputs();
  const float* sample = dy + number / channels / cells * volume(w.output) * layer.output_channels;
  float sum = 0.f;
  for (int tap = 0; tap < taps; tap++) {
    int place = output_place(w, cell_of(cell, w.input), cell_of(tap, w.size));
    if (place < 0) continue;
    i64 first = weights_of(layer, place, tap, channel % layer.inputs());
    for (int k = group * layer.outputs(); k < (group + 1) * layer.outputs(); k++)
      sum += sample[(i64)place * layer.output_channels + k] * weight[first + k];
  }
  dx[number] = sum;
}
EXPORT(local_input_gradient)

// dw (places, taps, C/groups, K) = the sum over samples of x dy, 0 in the padding
KERNEL(local_weight_gradient, 256, 40)
(const float* x, const float* dy, float* dw, int samples, Layer layer) {
  const Window& w = layer.window;
  int places = volume(w.output), taps = volume(w.size), filters = layer.output_channels;
  i64 number = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (number >= (i64)places * taps * layer.inputs() * filters) return;
  int filter = (int)(number % filters), channel = (int)(number / filters % layer.inputs());
  int tap = (int)(number / filters / layer.inputs() % taps), place = (int)(number / filters / layer.inputs() / taps);
  int cell = input_cell(w, cell_of(place, w.output), cell_of(tap, w.size));
  int first = filter / layer.outputs() * layer.inputs() + channel;
  float sum = 0.f;
  for (int n = 0; n < samples && cell >= 0; n++)
    sum += x[((i64)n * volume(w.input) + cell) * layer.input_channels + first] *
           dy[((i64)n * places + place) * filters + filter];
  dw[number] = sum;
}
EXPORT(local_weight_gradient)
