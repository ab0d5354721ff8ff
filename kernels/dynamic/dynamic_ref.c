/* Dynamic quantisation, in plain loops for the compiler's vectoriser.
 *
 * TFLite: internal/reference/portable_tensor_utils.cc, SymmetricQuantizeFloats and AsymmetricQuantizeFloats. Which
 * type each step has decides about the last bit, so it is the same here.
 */
#include "dynamic.h"

#include "../common/fixed_point.h"
#include "../common/chunk.h"

/* The largest float below 0.5: trunc(x + copysign(this, x)) is x rounded half away from zero, see gemm_tile.h. */
#define HALF_BELOW 0x1.fffffep-2f

/* The values of row `row`: their number, and the index of the first. */
typedef struct block {
  size_t first;
  uint32_t count;
} block;

static block block_of(const edge_dynamic_desc *d, uint32_t row) {
  const uint32_t blocks = edge_dynamic_blocks(d), begin = row % blocks * EDGE_DYNAMIC_BLOCK, left = d->count - begin;
  const block b = {(size_t)(row / blocks) * d->count + begin, left < EDGE_DYNAMIC_BLOCK ? left : EDGE_DYNAMIC_BLOCK};
  return b;
}

void edge_f32_dynamic_range__ref(const edge_dynamic_desc *d, uint8_t *base) {
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const block b = block_of(d, row);
    const float *x = (const float *)(const void *)(base + d->input) + b.first;
    float low = 0.0f, high = 0.0f;
    for (uint32_t i = 0; i < b.count; i++) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
    }
    output[2u * (size_t)row] = low;
    output[2u * (size_t)row + 1u] = high;
  }
}

/* q = round(zero_point + x * inverse), within least .. 127. */
typedef struct grid {
  float scale, inverse, zero_point, least;
} grid;

static grid symmetric_grid(float low, float high) {
  const float range = -low > high ? -low : high;
  const grid none = {0.0f, 0.0f, 0.0f, -127.0f};
  if (range == 0.0f) return none;
  const grid g = {range / 127.0f, 127.0f / range, 0.0f, -127.0f};
  return g;
}

/* The end of the range with the smaller rounding error says where zero lies. */
static float nudged_zero_point(double low, double high, double scale) {
  const double from_low = -128.0 - low / scale, from_high = 127.0 - high / scale;
  const double low_error = 128.0 - low / scale, high_error = 127.0 + high / scale;
  const double zero_point = low_error < high_error ? from_low : from_high;
  if (!(zero_point > -128.0)) return -128.0f; /* also for a NaN, from a range that is infinite */
  if (zero_point >= 127.0) return 127.0f;
  return (float)(int32_t)(zero_point + (zero_point < 0.0 ? -0.5 : 0.5));
}

static grid asymmetric_grid(float low, float high) {
  const grid none = {0.0f, 0.0f, 0.0f, -128.0f};
  if (low == high) return none;
  const double scale = ((double)high - (double)low) / 255.0;
  const float stored = (float)scale;
  const grid g = {stored, stored == 0.0f ? 0.0f : (float)(1.0 / (double)stored), nudged_zero_point(low, high, scale),
                  -128.0f};
  return g;
}

static grid grid_of(const edge_dynamic_desc *d, const uint8_t *base, uint32_t batch) {
  const uint32_t blocks = edge_dynamic_blocks(d);
  const float *range = (const float *)(const void *)(base + d->ranges) + 2u * (size_t)batch * blocks;
  float low = 0.0f, high = 0.0f;
  for (uint32_t i = 0; i < blocks; i++) {
    low = range[2u * i] < low ? range[2u * i] : low;
    high = range[2u * i + 1u] > high ? range[2u * i + 1u] : high;
  }
  return d->symmetric ? symmetric_grid(low, high) : asymmetric_grid(low, high);
}

void edge_f32_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base) {
  for (uint32_t row = d->begin; row < d->end; row++) {
    const block b = block_of(d, row);
    const grid g = grid_of(d, base, row / edge_dynamic_blocks(d));
    const float *x = (const float *)(const void *)(base + d->input) + b.first;
    float *y = (float *)(void *)(base + d->output) + b.first;
    float rounded[EDGE_CHUNK];
    for (uint32_t at = 0; at < b.count; at += EDGE_CHUNK) {
      const uint32_t lanes = edge_chunk_of(b.count - at);
      for (uint32_t i = 0; i < lanes; i++) {
        const float steps = g.zero_point + x[at + i] * g.inverse;
        const float moved = steps + (steps < 0.0f ? -HALF_BELOW : HALF_BELOW);
        const float limited = moved > g.least ? (moved < 127.0f ? moved : 127.0f) : g.least; /* a NaN: the least */
        rounded[i] = (float)(int32_t)limited - g.zero_point;
      }
      for (uint32_t i = 0; i < lanes; i++) y[at + i] = rounded[i];
    }
  }
}

void edge_f32_dynamic_scale__ref(const edge_dynamic_desc *d, uint8_t *base) {
  const float *factors = (const float *)(const void *)(base + d->factors);
  const float *bias = (const float *)(const void *)(base + d->bias);
  const float low = d->act_min.f, high = d->act_max.f;
  float scale = 0.0f;
  for (uint32_t row = d->begin; row < d->end; row++) {
    const size_t first = (size_t)row * d->channels;
    const float *x = (const float *)(const void *)(base + d->input) + first;
    float *y = (float *)(void *)(base + d->output) + first;
    if (row == d->begin || row % d->pixels == 0) scale = grid_of(d, base, row / d->pixels).scale;
    float scaled[EDGE_CHUNK];
    for (uint32_t at = 0; at < d->channels; at += EDGE_CHUNK) {
      const uint32_t lanes = edge_chunk_of(d->channels - at);
      for (uint32_t c = 0; c < lanes; c++) scaled[c] = x[at + c] * (scale * factors[at + c]);
      for (uint32_t c = 0; d->bias != 0 && c < lanes; c++) scaled[c] += bias[at + c];
      for (uint32_t c = 0; c < lanes; c++) scaled[c] = edge_clamp_f32(scaled[c], low, high);
      for (uint32_t c = 0; c < lanes; c++) y[at + c] = scaled[c];
    }
  }
}
