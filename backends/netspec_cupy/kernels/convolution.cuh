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
template <class Number>
struct UnderWindow {
  typedef Number Stored;
  static const bool ALONG_TERMS = true;
  struct Line {
    const Number* sample;
    Cell place;
  };
  struct Term {
    Cell tap;
    int channel;
  };
  const Number* numbers;
  const Convolution& conv;
  int channels, first_channel;
  bool wide;
  MEMBER Line line(int m) const {
    int places = volume(conv.window.output);
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    return {numbers + m / places * size + first_channel, cell_of(m % places, conv.window.output)};
  }
  MEMBER Term term(int k) const { return {cell_of(k / channels, conv.window.size), k % channels}; }
  MEMBER const Number* find(const Line& line, const Term& term) const {
    int cell = input_cell(conv.window, line.place, term.tap);
    return cell < 0 ? nullptr : line.sample + (i64)cell * conv.input_channels + term.channel;
  }
};

// The cells of the input that lie alike under a window with strides, and the taps that ever meet them: a gradient that
// looked at all taps would multiply by zeros. Mirrors `Phase` in geometry.py.
struct Phase {
  int first_cell[3], cells[3], first_tap[3], tap_step[3], taps[3];
};

DEVICE Cell tap_of(const Phase& phase, int number) {
  Cell tap = cell_of(number, phase.taps);
  for (int axis = 0; axis < 3; axis++) tap.at[axis] = phase.first_tap[axis] + tap.at[axis] * phase.tap_step[axis];
  return tap;
}

// The gradients that a cell of the input takes part in: a line per sample and cell of the phase, a term per tap and
// filter.
template <class Number>
struct OverCell {
  typedef Number Stored;
  static const bool ALONG_TERMS = true;
  struct Line {
    const Number* sample;
    Cell cell;
  };
  struct Term {
    Cell tap;
    int filter;
  };
  const Number* numbers;
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
  MEMBER Term term(int k) const { return {tap_of(phase, k / filters), k % filters}; }
  MEMBER const Number* find(const Line& line, const Term& term) const {
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
template <class Number>
struct WindowTurned {
  typedef Number Stored;
  static const bool ALONG_TERMS = false;
  struct Line {
    Cell tap;
    int channel;
  };
  struct Term {
    const Number* sample;
    Cell place;
  };
  const Number* numbers;
  const Convolution& conv;
  int channels, first_channel;
  bool wide;
  MEMBER Line line(int m) const { return {cell_of(m / channels, conv.window.size), first_channel + m % channels}; }
  MEMBER Term term(int k) const {
    int places = volume(conv.window.output);
    i64 size = (i64)volume(conv.window.input) * conv.input_channels;
    return {numbers + k / places * size, cell_of(k % places, conv.window.output)};
  }
  MEMBER const Number* find(const Line& line, const Term& term) const {
    int cell = input_cell(conv.window, term.place, line.tap);
    return cell < 0 ? nullptr : term.sample + (i64)cell * conv.input_channels + line.channel;
  }
};

// Neighbouring columns of an array of rows, such as weights: a term for each tap and channel, a line for each filter.
template <class Number>
struct Columns {
  typedef Number Stored;
  static const bool ALONG_TERMS = false;
  struct Line {
    int column;
  };
  struct Term {
    const Number* row;
  };
  const Number* numbers;
  int width;
  bool wide;
  MEMBER Line line(int n) const { return {n}; }
  MEMBER Term term(int k) const { return {numbers + (i64)k * width}; }
  MEMBER const Number* find(const Line& line, const Term& term) const { return term.row + line.column; }
};

// The numbers of the taps of a phase among all taps.
struct Taps {
  const Phase* phase;
  const Window* window;
  MEMBER int number(int tap) const { return phase ? number_of(tap_of(*phase, tap), window->size) : tap; }
};

// Weights (taps, channels, filters): a term for each tap and filter of the group, a line for each of its channels.
template <class Number>
struct WeightsTurned {
  typedef Number Stored;
  static const bool ALONG_TERMS = true;
  struct Line {
    i64 row;
  };
  struct Term {
    const Number* first;
  };
  const Number* numbers;
  int filters, group_filters, channels;
  Taps taps;
  bool wide;
  MEMBER Line line(int n) const { return {(i64)n * filters}; }
  MEMBER Term term(int k) const {
    return {numbers + (i64)taps.number(k / group_filters) * channels * filters + k % group_filters};
  }
  MEMBER const Number* find(const Line& line, const Term& term) const { return term.first + line.row; }
};

// The same as columns: a term for each tap of a phase and channel, a line for each filter.
template <class Number>
struct TapColumns {
  typedef Number Stored;
  static const bool ALONG_TERMS = false;
  typedef typename Columns<Number>::Line Line;
  typedef typename Columns<Number>::Term Term;
  const Number* numbers;
  int width, channels;
  Taps taps;
  bool wide;
  MEMBER Line line(int n) const { return {n}; }
  MEMBER Term term(int k) const {
    return {numbers + ((i64)taps.number(k / channels) * channels + k % channels) * width};
  }
  MEMBER const Number* find(const Line& line, const Term& term) const { return term.row + line.column; }
};

// Lines of a phase, put where their cells lie.
template <class Number>
struct StoreCells {
  const OverCell<Number>& cells;
  StoreColumns columns;
  MEMBER void put(int m, int n, float sum) const {
    i64 place = cells.row(m) * columns.width + n;
    columns.numbers.put(place, columns.finish.of(sum + (columns.bias ? columns.bias[n] : 0.f), place));
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
  // Whether numbers of these channels come 16 bytes at a time: a group's first then has an address that is a multiple.
  template <class Number>
  MEMBER bool wide_inputs() const {
    return is_wide<Number>(inputs);
  }
  template <class Number>
  MEMBER bool wide_outputs() const {
    return is_wide<Number>(outputs);
  }
};

DEVICE Finish of_group(Finish finish, int first) {
  return {finish.residual.first ? finish.residual.from(first) : finish.residual, finish.low, finish.high};
}

// The numbers under the window times ``right``: a row for each place.
template <class Way, class Number, class Right>
DEVICE void gather_windows(const Number* x, const Right& right, const float* bias, const Numbers& y, int samples,
                           const Convolution& conv, const Group& group, const Finish& finish) {
  int first = group.first_output();
  bool wide = group.wide_inputs<Number>();
  UnderWindow<Number> left = {x, conv, group.inputs, group.first_input(), wide};
  StoreColumns store = {y.from(first), bias ? bias + first : nullptr, conv.output_channels, of_group(finish, first)};
  Way::multiply(samples * volume(conv.window.output), group.outputs, 0, volume(conv.window.size) * group.inputs, left,
                right, store);
}

// The gradients over each cell of the block's phase times ``right(taps)``: a row for each cell.
template <class Way, class Number, class MakeRight>
DEVICE void spread_windows(const Number* dy, const MakeRight& right, const float* bias, const Numbers& dx, int samples,
                           const Convolution& conv, const Phase* phases, const Group& group, const Finish& finish) {
  int first = group.first_input();
  bool wide = group.wide_outputs<Number>();
  const Phase phase = phases[blockIdx.z / conv.groups];
  OverCell<Number> cells = {dy, conv, phase, group.outputs, group.first_output(), wide};
  StoreColumns columns = {dx.from(first), bias ? bias + first : nullptr, conv.input_channels, of_group(finish, first)};
  Way::multiply(samples * volume(phase.cells), group.inputs, 0, volume(phase.taps) * group.outputs, cells,
                right(Taps{&phase, &conv.window}), StoreCells<Number>{cells, columns});
}

// The numbers under the window, turned, times rows of dy: sums over the samples and places of the block's part.
template <class Way, class Number, class Store>
DEVICE void correlate(const Number* x, const Number* dy, const Store& store, int samples, int part_count,
                      const Convolution& conv, const Group& group) {
  int part = blockIdx.z / conv.groups, terms = samples * volume(conv.window.output);
  int length = (terms + part_count - 1) / part_count;
  int first = part * length < terms ? part * length : terms, end = first + length < terms ? first + length : terms;
  bool wide_left = group.wide_inputs<Number>(), wide_right = group.wide_outputs<Number>();
  WindowTurned<Number> left = {x, conv, group.inputs, group.first_input(), wide_left};
  Columns<Number> right = {dy + group.first_output(), conv.output_channels, wide_right};
  Way::multiply(volume(conv.window.size) * group.inputs, group.outputs, first, end, left, right, store);
}

// y = bias + the sum over taps and channels of x w
template <class Way, class Number>
DEVICE void convolve(const Number* x, const Number* weight, const float* bias, const Numbers& y, int samples,
                     const Convolution& conv, const Finish& finish) {
  Group group(conv);
  bool wide = group.wide_outputs<Number>();
  Columns<Number> right = {weight + group.first_output(), conv.output_channels, wide};
  gather_windows<Way>(x, right, bias, y, samples, conv, group, finish);
}

// dx = the sum over taps and filters of dy w
template <class Way, class Number>
DEVICE void convolve_input_gradient(const Number* dy, const Number* weight, const Numbers& dx, int samples,
                                    const Convolution& conv, const Phase* phases) {
  Group group(conv);
  bool wide = group.wide_outputs<Number>();
  auto right = [&](const Taps& taps) {
    return WeightsTurned<Number>{weight + group.first_output(), conv.output_channels, group.outputs, group.inputs,
                                 taps, wide};
  };
  spread_windows<Way>(dy, right, nullptr, dx, samples, conv, phases, group, as_it_is());
}

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
template <class Way, class Number>
DEVICE void convolve_weight_gradient(const Number* x, const Number* dy, float* parts, int samples, int part_count,
                                     const Convolution& conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.inputs * conv.output_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_output();
  StoreColumns store = {in_float32(own), nullptr, conv.output_channels, as_it_is()};
  correlate<Way>(x, dy, store, samples, part_count, conv, group);
}

// Transposed: the window slides over y (N, cells, K), which here is its input; x (N, places, C) lies on its other side.
// y = bias + the sum over taps and channels of x w
template <class Way, class Number>
DEVICE void transpose(const Number* x, const Number* weight, const float* bias, const Numbers& y, int samples,
                      const Convolution& conv, const Phase* phases, const Finish& finish) {
  Group group(conv);
  bool wide = group.wide_inputs<Number>();
  auto right = [&](const Taps& taps) {
    return TapColumns<Number>{weight + group.first_input(), conv.input_channels, group.outputs, taps, wide};
  };
  spread_windows<Way>(x, right, bias, y, samples, conv, phases, group, finish);
}

// dx = the sum over taps and filters of dy w
template <class Way, class Number>
DEVICE void transpose_input_gradient(const Number* dy, const Number* weight, const Numbers& dx, int samples,
                                     const Convolution& conv) {
  Group group(conv);
  bool wide = group.wide_inputs<Number>();
  WeightsTurned<Number> right = {weight + group.first_input(), conv.input_channels, group.inputs, group.outputs,
                                 Taps{nullptr, nullptr}, wide};
  gather_windows<Way>(dy, right, nullptr, dx, samples, conv, group, as_it_is());
}

// The sums over the samples and places of one part: parts (parts, taps, C/groups, K)
template <class Way, class Number>
DEVICE void transpose_weight_gradient(const Number* x, const Number* dy, float* parts, int samples, int part_count,
                                      const Convolution& conv) {
  Group group(conv);
  i64 size = (i64)volume(conv.window.size) * group.outputs * conv.input_channels;
  float* own = parts + blockIdx.z / conv.groups * size + group.first_input();
  StoreTurned store = {own, conv.input_channels, group.inputs, group.outputs};
  correlate<Way>(dy, x, store, samples, part_count, conv, group);
}
