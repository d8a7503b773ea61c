// Convolutions as matrix products whose left factor is never stored: the numbers under the window are read where they
// are. One, two and three axes, strides, dilation, padding and groups are the same index mathematics.
//
// x (N, cells, C)  w (taps, C/groups, K)  y (N, places, K); a block's z is its group, and its part where sums are
// split or its phase. A transposed convolution is the input's gradient run forward, and its gradient the convolution.
// ``Way`` is how products are made: InFloat32, or OnTensorCores.
#pragma once
#include "finish.cuh"
#include "multiply.cuh"
#include "window.cuh"

// What stands under the window: a line for every sample and place, a term for every tap and channel of the group.
struct UnderWindow {
  static const bool ALONG_TERMS = true;
  struct Line {
    const float* sample;
    Cell place;
  };
  struct Term {
    Cell tap;
    int channel;
  };
  const float* numbers;
  const Convolution& conv;
  int channels, first_channel;
  bool wide;
  MEMBER Line line(int m) const {
    int places = volume(conv.window.output);
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    return {numbers + m / places * size + first_channel, cell_of(m % places, conv.window.output)};
  }
  MEMBER Term term(int k) const { return {cell_of(k / channels, conv.window.size), k % channels}; }
  MEMBER const float* find(const Line& line, const Term& term) const {
    int cell = input_cell(conv.window, line.place, term.tap);
    return cell < 0 ? nullptr : line.sample + (i64)cell * conv.input_channels + term.channel;
  }
};

// The cells of the input that lie alike under a window with strides, and the taps that ever meet them: a gradient that
// looked at all taps would multiply by zeros. Mirrors `Phase` in geometry.py.
struct Phase {
  int first_cell[3], cells[3], first_tap[3], tap_step[3], taps[3];
};

// The gradients that a cell of the input takes part in: a line per sample and cell of the phase, a term per tap and
// filter.
struct OverCell {
  static const bool ALONG_TERMS = true;
  struct Line {
    const float* sample;
    Cell cell;
  };
  struct Term {
    Cell tap;
    int filter;
  };
  const float* numbers;
  const Convolution& conv;
  const Phase& phase;
  int filters, first_filter;
  bool wide;
  MEMBER Line line(int m) const {
    int cells = volume(phase.cells);
    i64 size = (i64)volume(conv.window.output) * conv.output_channels;
    return {numbers + m / cells * size + first_filter, cell_in(m % cells)};
  }
  MEMBER Cell cell_in(int number) const {
    Cell cell = cell_of(number, phase.cells);
    for (int axis = 0; axis < 3; axis++)
      cell.at[axis] = phase.first_cell[axis] + cell.at[axis] * conv.window.stride[axis];
    return cell;
  }
  MEMBER Cell tap_in(int number) const {
    Cell tap = cell_of(number, phase.taps);
    for (int axis = 0; axis < 3; axis++) tap.at[axis] = phase.first_tap[axis] + tap.at[axis] * phase.tap_step[axis];
    return tap;
  }
  MEMBER Term term(int k) const { return {tap_in(k / filters), k % filters}; }
  MEMBER const float* find(const Line& line, const Term& term) const {
    int place = output_place(conv.window, line.cell, term.tap);
    return place < 0 ? nullptr : line.sample + (i64)place * conv.output_channels + term.filter;
  }
  // The number of a line among all samples and cells.
  MEMBER i64 row(int m) const {
    int cells = volume(phase.cells);
    return (i64)(m / cells) * volume(conv.window.input) + number_of(cell_in(m % cells), conv.window.input);
  }
};

// The same numbers as under the window, turned: a line for every tap and channel, a term for every sample and place.
struct WindowTurned {
  static const bool ALONG_TERMS = false;
  struct Line {
    Cell tap;
    int channel;
  };
  struct Term {
    const float* sample;
    Cell place;
  };
  const float* numbers;
  const Convolution& conv;
  int channels, first_channel;
  bool wide;
  MEMBER Line line(int m) const { return {cell_of(m / channels, conv.window.size), first_channel + m % channels}; }
  MEMBER Term term(int k) const {
    int places = volume(conv.window.output);
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    return {numbers + k / places * size, cell_of(k % places, conv.window.output)};
  }
  MEMBER const float* find(const Line& line, const Term& term) const {
    int cell = input_cell(conv.window, term.place, line.tap);
    return cell < 0 ? nullptr : term.sample + (i64)cell * conv.input_channels + line.channel;
  }
};

// Neighbouring columns of an array of rows, such as weights: a term for each tap and channel, a line for each filter.
struct Columns {
  static const bool ALONG_TERMS = false;
  struct Line {
    int column;
  };
  struct Term {
    const float* row;
  };
  const float* numbers;
  int width;
  bool wide;
  MEMBER Line line(int n) const { return {n}; }
  MEMBER Term term(int k) const { return {numbers + (i64)k * width}; }
  MEMBER const float* find(const Line& line, const Term& term) const { return term.row + line.column; }
};

// The numbers of the taps of a phase among all taps.
struct Taps {
  const OverCell* cells;
  MEMBER int number(int tap) const {
    return cells ? number_of(cells->tap_in(tap), cells->conv.window.size) : tap;
  }
};

// Weights (taps, channels, filters): a term for each tap and filter of the group, a line for each of its channels.
struct WeightsTurned {
  static const bool ALONG_TERMS = true;
  struct Line {
    i64 row;
  };
  struct Term {
    const float* first;
  };
  const float* numbers;
  int filters, group_filters, channels;
  Taps taps;
  bool wide;
  MEMBER Line line(int n) const { return {(i64)n * filters}; }
  MEMBER Term term(int k) const {
    return {numbers + (i64)taps.number(k / group_filters) * channels * filters + k % group_filters};
  }
  MEMBER const float* find(const Line& line, const Term& term) const { return term.first + line.row; }
};

// The same as columns: a term for each tap of a phase and channel, a line for each filter.
struct TapColumns {
  static const bool ALONG_TERMS = false;
  typedef Columns::Line Line;
  typedef Columns::Term Term;
  const float* numbers;
  int width, channels;
  Taps taps;
  bool wide;
  MEMBER Line line(int n) const { return {n}; }
  MEMBER Term term(int k) const {
    return {numbers + ((i64)taps.number(k / channels) * channels + k % channels) * width};
  }
  MEMBER const float* find(const Line& line, const Term& term) const { return term.row + line.column; }
};

// Lines of a phase, put where their cells lie.
struct StoreCells {
  const OverCell& cells;
  StoreColumns columns;
  MEMBER void put(int m, int n, float sum) const {
    i64 place = cells.row(m) * columns.width + n;
    columns.numbers[place] = columns.finish.of(sum + (columns.bias ? columns.bias[n] : 0.f), place);
  }
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
  // Whether numbers of these channels come four at a time: a group's first one then has an address that is a multiple.
  MEMBER bool wide_inputs() const { return inputs % 4 == 0; }
  MEMBER bool wide_outputs() const { return outputs % 4 == 0; }
};

DEVICE Finish of_group(Finish finish, int first) {
  return {finish.residual ? finish.residual + first : nullptr, finish.low, finish.high};
}

// The numbers under the window times ``right``: a row for each place.
template <class Way, class Right>
DEVICE void gather_windows(const float* x, const Right& right, const float* bias, float* y, int samples,
                           const Convolution& conv, const Group& group, const Finish& finish) {
  int first = group.first_output();
  UnderWindow left = {x, conv, group.inputs, group.first_input(), group.wide_inputs()};
  StoreColumns store = {y + first, bias ? bias + first : nullptr, conv.output_channels, of_group(finish, first)};
  Way::multiply(samples * volume(conv.window.output), group.outputs, 0, volume(conv.window.size) * group.inputs, left,
                right, store);
}

// The gradients over each cell of the block's phase times ``right(cells)``: a row for each cell.
template <class Way, class MakeRight>
DEVICE void spread_windows(const float* dy, const MakeRight& right, const float* bias, float* dx, int samples,
                           const Convolution& conv, const Phase* phases, const Group& group, const Finish& finish) {
  int first = group.first_input();
  const Phase phase = phases[blockIdx.z / conv.groups];
  OverCell cells = {dy, conv, phase, group.outputs, group.first_output(), group.wide_outputs()};
  StoreColumns columns = {dx + first, bias ? bias + first : nullptr, conv.input_channels, of_group(finish, first)};
  Way::multiply(samples * volume(phase.cells), group.inputs, 0, volume(phase.taps) * group.outputs, cells,
                right(Taps{&cells}), StoreCells{cells, columns});
}

// The numbers under the window, turned, times rows of dy: sums over the samples and places of the block's part.
template <class Way, class Store>
DEVICE void correlate(const float* x, const float* dy, const Store& store, int samples, int part_count,
                      const Convolution& conv, const Group& group) {
  int part = blockIdx.z / conv.groups, terms = samples * volume(conv.window.output);
  int length = (terms + part_count - 1) / part_count;
  int first = part * length < terms ? part * length : terms, end = first + length < terms ? first + length : terms;
  WindowTurned left = {x, conv, group.inputs, group.first_input(), group.wide_inputs()};
  Columns right = {dy + group.first_output(), conv.output_channels, group.wide_outputs()};
  Way::multiply(volume(conv.window.size) * group.inputs, group.outputs, first, end, left, right, store);
}

// y = bias + the sum over taps and channels of x w
template <class Way>
DEVICE void convolve(const float* x, const float* weight, const float* bias, float* y, int samples,
                    const Convolution& conv, const Finish& finish) {
  Group group(conv);
  Columns right = {weight + group.first_output(), conv.output_channels, group.wide_outputs()};
  gather_windows<Way>(x, right, bias, y, samples, conv, group, finish);
}

// dx = the sum over taps and filters of dy w
template <class Way>
DEVICE void convolve_input_gradient(const float* dy, const float* weight, float* dx, int samples, const Convolution& conv,
                           const Phase* phases) {
  Group group(conv);
  auto right = [&](const Taps& taps) {
    return WeightsTurned{weight + group.first_output(), conv.output_channels, group.outputs, group.inputs, taps,
                         group.wide_outputs()};
  };
  spread_windows<Way>(dy, right, nullptr, dx, samples, conv, phases, group, as_it_is());
}

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
template <class Way>
DEVICE void convolve_weight_gradient(const float* x, const float* dy, float* parts, int samples, int part_count,
                            const Convolution& conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.inputs * conv.output_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_output();
  StoreColumns store = {own, nullptr, conv.output_channels, as_it_is()};
  correlate<Way>(x, dy, store, samples, part_count, conv, group);
}

// Transposed: the window slides over y (N, cells, K), which here is its input; x (N, places, C) lies on its other side.
// y = bias + the sum over taps and channels of x w
template <class Way>
DEVICE void transpose(const float* x, const float* weight, const float* bias, float* y, int samples,
                       const Convolution& conv, const Phase* phases, const Finish& finish) {
  Group group(conv);
  auto right = [&](const Taps& taps) {
    return TapColumns{weight + group.first_input(), conv.input_channels, group.outputs, taps, group.wide_inputs()};
  };
  spread_windows<Way>(x, right, bias, y, samples, conv, phases, group, finish);
}

// dx = the sum over taps and filters of dy w
template <class Way>
DEVICE void transpose_input_gradient(const float* dy, const float* weight, float* dx, int samples,
                                      const Convolution& conv) {
  Group group(conv);
  WeightsTurned right = {weight + group.first_input(), conv.input_channels, group.inputs, group.outputs,
                         Taps{nullptr},                group.wide_inputs()};
  gather_windows<Way>(dy, right, nullptr, dx, samples, conv, group, as_it_is());
}

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
template <class Way>
DEVICE void transpose_weight_gradient(const float* x, const float* dy, float* parts, int samples, int part_count,
                                       const Convolution& conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.outputs * conv.input_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_input();
  StoreTurned store = {own, conv.input_channels, group.inputs, group.outputs};
  correlate<Way>(dy, x, store, samples, part_count, conv, group);
}
