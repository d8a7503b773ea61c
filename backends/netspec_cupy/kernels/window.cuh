// A window over up to three axes; of fewer axes the first have one cell. The struct mirrors `Window` in geometry.py.
#pragma once
#include "device.cuh"

struct Window {
  int input[3], output[3], size[3], stride[3], dilation[3], before[3];
};

struct Cell {
  int at[3];
};

// Which number of an array (samples, cells, channels) a thread has; a block's y is its sample.
struct Own {
  i64 number, sample;
  int cell, channel;
  bool inside;
  MEMBER Own(int cells, int channels) {
    int within = blockIdx.x * blockDim.x + threadIdx.x;
    inside = within < cells * channels;
    channel = within % channels;
    cell = within / channels;
    sample = blockIdx.y;
    number = sample * cells * channels + within;
  }
};

// The cell with this number, the last axis fastest.
DEVICE Cell cell_of(int number, const int* sides) {
  Cell cell;
  cell.at[2] = number % sides[2];
  cell.at[1] = number / sides[2] % sides[1];
  cell.at[0] = number / sides[2] / sides[1];
  return cell;
}

// The number of a cell, the other way round.
DEVICE int number_of(const Cell& cell, const int* sides) {
  return (cell.at[0] * sides[1] + cell.at[1]) * sides[2] + cell.at[2];
}

DEVICE int volume(const int* sides) { return sides[0] * sides[1] * sides[2]; }

// Number of the input cell that a tap meets where the window lies at ``output``; -1 in the padding.
DEVICE int input_cell(const Window& w, const Cell& output, const Cell& tap) {
  int found = 0;
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    int at = output.at[axis] * w.stride[axis] - w.before[axis] + tap.at[axis] * w.dilation[axis];
    if (at < 0 || at >= w.input[axis]) return -1;
    found = found * w.input[axis] + at;
  }
  return found;
}

// Number of the place at which the window's tap meets the input cell; -1 if there is none.
DEVICE int output_place(const Window& w, const Cell& input, const Cell& tap) {
  int found = 0;
#pragma unroll
  for (int axis = 0; axis < 3; axis++) {
    int far = input.at[axis] + w.before[axis] - tap.at[axis] * w.dilation[axis];
    int at = far / w.stride[axis];
    if (far < 0 || at * w.stride[axis] != far || at >= w.output[axis]) return -1;
    found = found * w.output[axis] + at;
  }
  return found;
}

// A window with the channels on either side of it, those of the whole layer. Mirrors `Convolution` in geometry.py.
struct Convolution {
  Window window;
  int input_channels, output_channels, groups;
  MEMBER int group_inputs() const { return input_channels / groups; }
  MEMBER int group_outputs() const { return output_channels / groups; }
};

// Bins that cover the input: bin i of m over n cells holds those from floor(i n / m) to before ceil((i + 1) n / m).
DEVICE int bin_first(int bin, int cells, int bins) { return bin * cells / bins; }
DEVICE int bin_end(int bin, int cells, int bins) { return ((bin + 1) * cells + bins - 1) / bins; }
