// Convolutions as matrix products whose left factor is never stored: the numbers under the window are read where they
// are. One, two and three axes, strides, dilation, padding and groups are the same index mathematics.
//
// x (N, cells, C)  w (taps, C/groups, K)  y (N, places, K); a block's z is its group, and its part where sums are
// split.
// A transposed convolution is the input's gradient run forward, and its gradient the convolution.
#include "multiply.cuh"
#include "window.cuh"

// What stands under the window: a row for every sample and place, a column for every tap and channel of the group.
struct UnderWindow {
  static const bool BY_ROW = false;
  struct Row {
    const float* sample;
    Cell place;
  };
  const float* x;
  const Convolution& conv;
  int channels, first_channel;
  MEMBER Row row(int m) const {
    int places = volume(conv.window.output);
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    return {x + m / places * size + first_channel, cell_of(m % places, conv.window.output)};
  }
  MEMBER float at(const Row& row, int k) const {
    int cell = input_cell(conv.window, row.place, cell_of(k / channels, conv.window.size));
    return cell < 0 ? 0.f : row.sample[(i64)cell * conv.input_channels + k % channels];
  }
};

// The gradients that a cell of the input takes part in: a row for every sample and cell, a column per tap and filter.
struct OverCell {
  static const bool BY_ROW = false;
  struct Row {
    const float* sample;
    Cell cell;
  };
  const float* dy;
  const Convolution& conv;
  int filters, first_filter;
  MEMBER Row row(int m) const {
    int cells = volume(conv.window.input);
    i64 size = (i64)volume(conv.window.output) * conv.output_channels;
    return {dy + m / cells * size + first_filter, cell_of(m % cells, conv.window.input)};
  }
  MEMBER float at(const Row& row, int k) const {
    int place = output_place(conv.window, row.cell, cell_of(k / filters, conv.window.size));
    return place < 0 ? 0.f : row.sample[(i64)place * conv.output_channels + k % filters];
  }
};

// The same numbers as under the window, turned: a row for every tap and channel, a column for every sample and place.
struct WindowTurned {
  static const bool BY_ROW = true;
  struct Row {
    Cell tap;
    int channel;
  };
  const float* x;
  const Convolution& conv;
  int channels, first_channel;
  MEMBER Row row(int m) const { return {cell_of(m / channels, conv.window.size), first_channel + m % channels}; }
  MEMBER float at(const Row& row, int k) const {
    int places = volume(conv.window.output);
    int cell = input_cell(conv.window, cell_of(k % places, conv.window.output), row.tap);
    i64 cells = volume(conv.window.input);
    return cell < 0 ? 0.f : x[(k / places * cells + cell) * conv.input_channels + row.channel];
  }
};

// A row of weights for each tap and channel, a column for each filter of the group.
struct Weights {
  const float* weight;
  int filters;
  MEMBER float at(int k, int n) const { return weight[(i64)k * filters + n]; }
};

// The same weights: a row for each tap and filter of the group, a column for each of its channels.
struct WeightsTurned {
  const float* weight;
  int filters, group_filters, channels;
  MEMBER float at(int k, int n) const {
    return weight[((i64)(k / group_filters) * channels + n) * filters + k % group_filters];
  }
};

// Neighbouring columns of an array of rows.
struct Columns {
  const float* numbers;
  int width;
  MEMBER float at(int k, int n) const { return numbers[(i64)k * width + n]; }
};

struct StoreColumns {
  float* numbers;
  const float* bias;
  int width;
  MEMBER void put(int m, int n, float sum) const { numbers[(i64)m * width + n] = sum + (bias ? bias[n] : 0.f); }
};

// Rows of taps and filters, columns of channels, put where weights have them: (taps, C/groups, K).
struct StoreTurned {
  float* numbers;
  int filters, group_filters, channels;
  MEMBER void put(int m, int n, float sum) const {
    numbers[((i64)(m / group_filters) * channels + n) * filters + m % group_filters] = sum;
  }
};

// The group of a block, and what it has of the channels on either side of the window.
struct Group {
  int number, inputs, outputs;
  MEMBER explicit Group(const Convolution& conv)
      : number(blockIdx.z % conv.groups),
        inputs(conv.group_inputs()),
        outputs(conv.group_outputs()) {}
  MEMBER int first_input() const { return number * inputs; }
  MEMBER int first_output() const { return number * outputs; }
};

template <class Right>
DEVICE void gather_windows(const float* x, const Right& right, const float* bias, float* y, int samples,
                           const Convolution& conv, const Group& group) {
  int first = group.first_output();
  multiply_tile(samples * volume(conv.window.output), group.outputs, 0, volume(conv.window.size) * group.inputs,
                UnderWindow{x, conv, group.inputs, group.first_input()}, right,
                StoreColumns{y + first, bias ? bias + first : nullptr, conv.output_channels});
}

template <class Right>
DEVICE void spread_windows(const float* dy, const Right& right, const float* bias, float* dx, int samples,
                           const Convolution& conv, const Group& group) {
  int first = group.first_input();
  multiply_tile(samples * volume(conv.window.input), group.inputs, 0, volume(conv.window.size) * group.outputs,
                OverCell{dy, conv, group.outputs, group.first_output()}, right,
                StoreColumns{dx + first, bias ? bias + first : nullptr, conv.input_channels});
}

template <class Store>
DEVICE void correlate(const float* x, const float* dy, const Store& store, int samples, int part_count,
                      const Convolution& conv, const Group& group) {
  int part = blockIdx.z / conv.groups, terms = samples * volume(conv.window.output);
  int length = (terms + part_count - 1) / part_count;
  int first = part * length < terms ? part * length : terms, end = first + length < terms ? first + length : terms;
  multiply_tile(volume(conv.window.size) * group.inputs, group.outputs, first, end,
                WindowTurned{x, conv, group.inputs, group.first_input()},
                Columns{dy + group.first_output(), conv.output_channels}, store);
}

// y = bias + the sum over taps and channels of x w
KERNEL(convolution_forward, 256, 120)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution conv) {
  Group group(conv);
  gather_windows(x, Weights{weight + group.first_output(), conv.output_channels}, bias, y, samples, conv, group);
}
EXPORT(convolution_forward)

// dx = the sum over taps and filters of dy w
KERNEL(convolution_input_gradient, 256, 128)
(const float* dy, const float* weight, float* dx, int samples, Convolution conv) {
  Group group(conv);
  WeightsTurned turned = {weight + group.first_output(), conv.output_channels, group.outputs, group.inputs};
  spread_windows(dy, turned, nullptr, dx, samples, conv, group);
}
EXPORT(convolution_input_gradient)

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
KERNEL(convolution_weight_gradient, 256, 104)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.inputs * conv.output_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_output();
  correlate(x, dy, StoreColumns{own, nullptr, conv.output_channels}, samples, part_count, conv, group);
}
EXPORT(convolution_weight_gradient)

// Transposed: the window slides over y (N, cells, K), which here is its input; x (N, places, C) lies on its other side.
// y = bias + the sum over taps and channels of x w
KERNEL(transposed_forward, 256, 128)
(const float* x, const float* weight, const float* bias, float* y, int samples, Convolution conv) {
  Group group(conv);
  spread_windows(x, Weights{weight + group.first_input(), conv.input_channels}, bias, y, samples, conv, group);
}
EXPORT(transposed_forward)

// dx = the sum over taps and filters of dy w
KERNEL(transposed_input_gradient, 256, 120)
(const float* dy, const float* weight, float* dx, int samples, Convolution conv) {
  Group group(conv);
  WeightsTurned turned = {weight + group.first_input(), conv.input_channels, group.inputs, group.outputs};
  gather_windows(dy, turned, nullptr, dx, samples, conv, group);
}
EXPORT(transposed_input_gradient)

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
KERNEL(transposed_weight_gradient, 256, 104)
(const float* x, const float* dy, float* parts, int samples, int part_count, Convolution conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.outputs * conv.input_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_input();
  StoreTurned store = {own, conv.input_channels, group.inputs, group.outputs};
  correlate(dy, x, store, samples, part_count, conv, group);
}
EXPORT(transposed_weight_gradient)

// sums (size) = the parts (parts, size) in their order
KERNEL(join_parts, 256, 40)(const float* parts, float* sums, int part_count, i64 size) {
  i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= size) return;
  float total = 0.f;
  for (int part = 0; part < part_count; part++) total += parts[part * size + at];
  sums[at] = total;
}
EXPORT(join_parts)
