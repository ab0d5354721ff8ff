/* The truth and the only form: its sums are plain enough for every build's vectoriser.
 *
 * TFLite: lstm_eval.cc, CalculateLstmGateInteger8x8_16 and CalculateLstmGateFloat, without what is of the cell.
 */
#include "gates.h"

#include "../common/dot.h"
#include "../common/fixed_point.h"

static uint32_t number(const uint8_t *base, uint32_t offset, uint32_t index) {
  return offset != 0 ? ((const uint32_t *)(const void *)(base + offset))[index] : 0;
}

/* bias[unit] + sum(x * w) of sample b, requantised; in 64 bits, for a left shift may give any int32. */
static int64_t scaled_product(const edge_gates_desc *d, const uint8_t *base, uint32_t b, uint32_t unit) {
  const int8_t *x = (const int8_t *)(base + d->input) + d->input_at + (size_t)b * d->input_stride;
  const int8_t *w = (const int8_t *)(base + d->input_weights) + (size_t)unit * d->input_c;
  const uint32_t sum = number(base, d->bias, unit) + edge_dot_s8(x, w, d->input_c, 0);
  return edge_mbqm((int32_t)sum, d->multiplier, d->shift);
}

static int64_t scaled_recurrence(const edge_gates_desc *d, const uint8_t *base, uint32_t b, uint32_t unit) {
  const int8_t *h = (const int8_t *)(base + d->recurrent) + (size_t)b * d->recurrent_c;
  const int8_t *r = (const int8_t *)(base + d->recurrent_weights) + (size_t)unit * d->recurrent_c;
  const uint32_t sum = number(base, d->recurrent_bias, unit) + edge_dot_s8(h, r, d->recurrent_c, 0);
  return edge_mbqm((int32_t)sum, d->recurrent_multiplier, d->recurrent_shift);
}

static int64_t clamp_s64(int64_t x, int64_t low, int64_t high) { return x < low ? low : (x > high ? high : x); }

void edge_qs8_gates__ref(const edge_gates_desc *d, uint8_t *base) {
  for (uint32_t b = 0; b < d->batch; b++) {
    int16_t *output = (int16_t *)(void *)(base + d->output) + d->output_at + (size_t)b * d->output_stride;
    int16_t *kept = d->kept != 0 ? (int16_t *)(void *)(base + d->kept) + (size_t)b * d->units : output;
    for (uint32_t unit = d->begin; unit < d->end; unit++) {
      int64_t y = clamp_s64(scaled_product(d, base, b, unit), INT16_MIN, INT16_MAX);
      if (d->recurrent_c != 0) y = clamp_s64(y + scaled_recurrence(d, base, b, unit), INT16_MIN, INT16_MAX);
      output[unit] = kept[unit] = (int16_t)y;
    }
  }
}

void edge_qs8_project__ref(const edge_gates_desc *d, uint8_t *base) {
  for (uint32_t b = 0; b < d->batch; b++) {
    int8_t *output = (int8_t *)(base + d->output) + d->output_at + (size_t)b * d->output_stride;
    int8_t *kept = d->kept != 0 ? (int8_t *)(base + d->kept) + (size_t)b * d->units : output;
    for (uint32_t unit = d->begin; unit < d->end; unit++) {
      const int64_t y = scaled_product(d, base, b, unit) + d->output_zero_point;
      output[unit] = kept[unit] = (int8_t)clamp_s64(y, d->act_min.i, d->act_max.i);
    }
  }
}

void edge_f32_gates__ref(const edge_gates_desc *d, uint8_t *base) {
  const float *bias = (const float *)(const void *)(base + d->bias);
  const float *input = (const float *)(const void *)(base + d->input) + d->input_at;
  const float *input_weights = (const float *)(const void *)(base + d->input_weights);
  const float *recurrent = (const float *)(const void *)(base + d->recurrent);
  const float *recurrent_weights = (const float *)(const void *)(base + d->recurrent_weights);
  for (uint32_t b = 0; b < d->batch; b++) {
    const float *x = input + (size_t)b * d->input_stride;
    const float *h = recurrent + (size_t)b * d->recurrent_c;
    float *output = (float *)(void *)(base + d->output) + d->output_at + (size_t)b * d->output_stride;
    float *kept = d->kept != 0 ? (float *)(void *)(base + d->kept) + (size_t)b * d->units : output;
    for (uint32_t unit = d->begin; unit < d->end; unit++) {
      float y = d->bias != 0 ? bias[unit] : 0.0f;
      y += edge_dot_f32(x, input_weights + (size_t)unit * d->input_c, d->input_c);
      if (d->recurrent_c != 0) y += edge_dot_f32(h, recurrent_weights + (size_t)unit * d->recurrent_c, d->recurrent_c);
      output[unit] = kept[unit] = edge_clamp_f32(y, d->act_min.f, d->act_max.f);
    }
  }
}
