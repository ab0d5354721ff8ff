/* The truth and the only form: its sums are plain enough for every build's vectoriser.
 *
 * TFLite: internal/reference/portable_tensor_utils.cc, PortableMatrixBatchVectorMultiplyAccumulate.
 */
#include "hybrid.h"

#include "../common/dot.h"
#include "../common/fixed_point.h"

/* A rounded vector and what it is multiplied by. */
typedef struct side {
  const int8_t *x, *weights;
  const float *factors;
  uint32_t count;
  float scale;
  int32_t zero_point;
} side;

static const float *floats(const uint8_t *base, uint32_t offset) {
  return (const float *)(const void *)(base + offset);
}

static side side_of(const edge_hybrid_desc *d, const uint8_t *base, uint32_t sample, int is_recurrent) {
  const uint32_t count = is_recurrent ? d->recurrent_c : d->input_c;
  const uint32_t blocks = edge_dynamic_blocks(count);
  const float *ranges = floats(base, is_recurrent ? d->recurrent_ranges : d->ranges) + 2u * (size_t)sample * blocks;
  const edge_dynamic_grid g = edge_dynamic_grid_of(ranges, blocks, d->symmetric);
  const side s = {
      .x = (const int8_t *)(base + (is_recurrent ? d->recurrent : d->input)) + (size_t)sample * count,
      .weights = (const int8_t *)(base + (is_recurrent ? d->recurrent_weights : d->input_weights)),
      .factors = floats(base, is_recurrent ? d->recurrent_factors : d->factors),
      .count = count,
      .scale = g.scale,
      .zero_point = (int32_t)g.zero_point,
  };
  return s;
}

static float product(const side *s, uint32_t unit) {
  const uint32_t sum = edge_dot_s8(s->x, s->weights + (size_t)unit * s->count, s->count, s->zero_point);
  return (float)(int32_t)sum * (s->scale * s->factors[unit]);
}

void edge_f32_hybrid__ref(const edge_hybrid_desc *d, uint8_t *base) {
  const float *bias = floats(base, d->bias);
  for (uint32_t b = 0; b < d->batch; b++) {
    const side x = side_of(d, base, d->input_at + b * d->input_stride, 0);
    const side h = d->recurrent_c != 0 ? side_of(d, base, b, 1) : x;
    float *output = (float *)(void *)(base + d->output) + d->output_at + (size_t)b * d->output_stride;
    float *kept = d->kept != 0 ? (float *)(void *)(base + d->kept) + (size_t)b * d->units : output;
    for (uint32_t unit = d->begin; unit < d->end; unit++) {
      float y = d->bias != 0 ? bias[unit] : 0.0f;
      y += product(&x, unit);
      if (d->recurrent_c != 0) y += product(&h, unit);
      output[unit] = kept[unit] = edge_clamp_f32(y, d->act_min.f, d->act_max.f);
    }
  }
}
