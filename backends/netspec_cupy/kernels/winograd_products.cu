// The products of matrices in the domain of Winograd's transforms, one for each place of a tile and each group.
//
// v (places, tiles, C)  u (places, C/groups, K)  m (places, tiles, K); a block's z is its group, place and part.
#include "dense.cuh"
#include "multiply_wide.cuh"

// The channels that a group reads and makes, of all.
struct Channels {
  int inputs, outputs, groups;
  MEMBER int own_inputs() const { return inputs / groups; }
  MEMBER int own_outputs() const { return outputs / groups; }
};

// m = v u for each place and group; TURNED where u has a row for each channel that is made, as in the data gradient
template <class Way, bool TURNED>
DEVICE void multiply_places(const float* v, const float* u, float* m, int tiles, const Channels& channels) {
  int group = blockIdx.z % channels.groups, ins = channels.own_inputs(), outs = channels.own_outputs();
  i64 place = blockIdx.z / channels.groups;
  Matrix<float, false> left(v + place * tiles * channels.inputs + group * ins, channels.inputs);
  const float* own = u + place * ins * channels.outputs;
  Matrix<float, !TURNED> right(own + group * (TURNED ? ins : outs), TURNED ? channels.inputs : channels.outputs);
  left.wide = ins % 4 == 0;
  right.wide = (TURNED ? ins : outs) % 4 == 0;
  float* made = m + place * tiles * channels.outputs + group * outs;
  StoreColumns store = {in_float32(made), nullptr, channels.outputs, as_it_is()};
  Way::multiply(tiles, outs, 0, ins, left, right, store);
}

KERNEL(winograd_products, 256, 128)(const float* v, const float* u, float* m, int tiles, Channels channels) {
  multiply_places<InFloat32, false>(v, u, m, tiles, channels);
}
EXPORT(winograd_products)

KERNEL(winograd_products_wide, 256, 168)(const float* v, const float* u, float* m, int tiles, Channels channels) {
  multiply_places<InFloat32Wide, false>(v, u, m, tiles, channels);
}
EXPORT(winograd_products_wide)

KERNEL(winograd_products_turned, 256, 128)(const float* v, const float* u, float* m, int tiles, Channels channels) {
  multiply_places<InFloat32, true>(v, u, m, tiles, channels);
}
EXPORT(winograd_products_turned)

KERNEL(winograd_products_turned_wide, 256, 168)(const float* v, const float* u, float* m, int tiles, Channels channels) {
  multiply_places<InFloat32Wide, true>(v, u, m, tiles, channels);
}
EXPORT(winograd_products_turned_wide)

// A table of rows that a sum is put into, or added to what was there.
struct AddColumns {
  float* numbers;
  int width, more;
  MEMBER void put(int m, int n, float sum) const {
    float* place = numbers + (i64)m * width + n;
    *place = more ? *place + sum : sum;
  }
};

// sums (parts, places, C/groups, K) = v^T m, or with ``more`` what they were and that
template <class Way>
DEVICE void sum_places(const float* v, const float* m, float* sums, int tiles, int places, int part_count, int more,
                       const Channels& channels) {
  int group = blockIdx.z % channels.groups, number = blockIdx.z / channels.groups;
  int ins = channels.own_inputs(), outs = channels.own_outputs();
  i64 place = number % places;
  int part = number / places, length = (tiles + part_count - 1) / part_count;
  int first = part * length < tiles ? part * length : tiles, end = first + length < tiles ? first + length : tiles;
  Matrix<float, true> left(v + place * tiles * channels.inputs + group * ins, channels.inputs);
  Matrix<float, true> right(m + place * tiles * channels.outputs + group * outs, channels.outputs);
  left.wide = ins % 4 == 0;
  right.wide = outs % 4 == 0;
  AddColumns store = {sums + (i64)number * ins * channels.outputs + group * outs, channels.outputs, more};
  Way::multiply(ins, outs, first, end, left, right, store);
}

KERNEL(winograd_sums, 256, 128)
(const float* v, const float* m, float* sums, int tiles, int places, int part_count, int more, Channels channels) {
  sum_places<InFloat32>(v, m, sums, tiles, places, part_count, more, channels);
}
EXPORT(winograd_sums)

KERNEL(winograd_sums_wide, 256, 224)
(const float* v, const float* m, float* sums, int tiles, int places, int part_count, int more, Channels channels) {
  sum_places<InFloat32Wide>(v, m, sums, tiles, places, part_count, more, channels);
}
EXPORT(winograd_sums_wide)
