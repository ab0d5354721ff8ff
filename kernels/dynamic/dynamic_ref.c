/* Dynamic quantisation, in plain loops for the compiler's vectoriser. */
#include "dynamic.h"

#include "../common/chunk.h"
#include "../common/fixed_point.h"

/* The largest float below 0.5: trunc(x + copysign(this, x)) is x rounded half away from zero, see gemm_tile.h. */
#define HALF_BELOW 0x1.fffffep-2f

/* The values of row `row`: their number, and the index of the first. */
typedef struct block {
  size_t first;
  uint32_t count;
} block;

static block block_of(const edge_dynamic_desc *d, uint32_t row) {
  const uint32_t blocks = edge_dynamic_blocks(d->count), begin = row % blocks * EDGE_DYNAMIC_BLOCK,
                 left = d->count - begin;
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

static edge_dynamic_grid grid_of(const edge_dynamic_desc *d, const uint8_t *base, uint32_t batch) {
  const uint32_t blocks = edge_dynamic_blocks(d->count);
  const float *ranges = (const float *)(const void *)(base + d->ranges) + 2u * (size_t)batch * blocks;
  return edge_dynamic_grid_of(ranges, blocks, d->symmetric);
}

/* q of up to EDGE_CHUNK values, as whole floats. */
static void round_chunk(const edge_dynamic_grid *g, const float *x, uint32_t lanes, float *q) {
  const float zero_point = g->zero_point, inverse = g->inverse, least = g->least;
  for (uint32_t i = 0; i < lanes; i++) {
    const float steps = zero_point + x[i] * inverse;
    const float moved = steps + (steps < 0.0f ? -HALF_BELOW : HALF_BELOW);
    const float limited = moved > least ? (moved < 127.0f ? moved : 127.0f) : least; /* a NaN: the least */
    q[i] = (float)(int32_t)limited;
  }
}

void edge_f32_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base) {
  for (uint32_t row = d->begin; row < d->end; row++) {
    const block b = block_of(d, row);
    const edge_dynamic_grid g = grid_of(d, base, row / edge_dynamic_blocks(d->count));
    const float *x = (const float *)(const void *)(base + d->input) + b.first;
    float *y = (float *)(void *)(base + d->output) + b.first;
    float rounded[EDGE_CHUNK];
    for (uint32_t at = 0; at < b.count; at += EDGE_CHUNK) {
      const uint32_t lanes = edge_chunk_of(b.count - at);
      round_chunk(&g, x + at, lanes, rounded);
      for (uint32_t i = 0; i < lanes; i++) y[at + i] = rounded[i] - g.zero_point;
    }
  }
}

void edge_qs8_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base) {
  for (uint32_t row = d->begin; row < d->end; row++) {
    const block b = block_of(d, row);
    const edge_dynamic_grid g = grid_of(d, base, row / edge_dynamic_blocks(d->count));
    const float *x = (const float *)(const void *)(base + d->input) + b.first;
    int8_t *y = (int8_t *)(base + d->output) + b.first;
    float rounded[EDGE_CHUNK];
    for (uint32_t at = 0; at < b.count; at += EDGE_CHUNK) {
      const uint32_t lanes = edge_chunk_of(b.count - at);
      round_chunk(&g, x + at, lanes, rounded);
      for (uint32_t i = 0; i < lanes; i++) y[at + i] = (int8_t)rounded[i];
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
