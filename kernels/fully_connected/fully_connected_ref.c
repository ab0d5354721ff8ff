/* The truth for fully_connected: one output at a time, nothing packed.
 *
 * TFLite: internal/reference/integer_ops/fully_connected.h, FullyConnectedPerChannel with a float64 scale.
 */
#include "fully_connected.h"

#include "../common/fixed_point.h"

/* std::round: to the nearest, halves away from zero. |x| <= 2^32. */
static int64_t round_half_away(double x) {
  const int64_t whole = (int64_t)x;
  const double rest = x - (double)whole;
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

static int8_t requantize(const edge_fully_connected_desc *d, int32_t acc, double scale) {
  double real = (double)acc * scale;
  if (real > 4294967296.0) real = 4294967296.0; /* far above every act_max, and inside int64 */
  if (real < -4294967296.0) real = -4294967296.0;
  const int64_t value = round_half_away(real) + d->output_zero_point;
  return (int8_t)(value < d->act_min.i ? d->act_min.i : (value > d->act_max.i ? d->act_max.i : value));
}

void edge_qs8_fully_connected_ref(const edge_fully_connected_desc *d, uint8_t *base) {
  const uint32_t *bias = (const uint32_t *)(const void *)(base + d->bias);
  const double *scale = (const double *)(const void *)(base + d->scale);
  for (uint32_t m = 0; m < d->batch; m++) {
    const int8_t *x = (const int8_t *)base + d->input + (size_t)m * d->input_c;
    for (uint32_t n = d->begin; n < d->end; n++) {
      const int8_t *w = (const int8_t *)base + d->filter + (size_t)n * d->input_c;
      uint32_t sum = d->bias != 0 ? bias[n] : 0; /* modulo 2^32, as that of every fast form */
      for (uint32_t k = 0; k < d->input_c; k++) {
        sum += (uint32_t)((x[k] - d->input_zero_point) * (w[k] - d->filter_zero_point));
      }
      ((int8_t *)base + d->output)[(size_t)m * d->output_c + n] = requantize(d, (int32_t)sum, scale[n]);
    }
  }
}

void edge_f32_fully_connected_ref(const edge_fully_connected_desc *d, uint8_t *base) {
  const float *bias = (const float *)(const void *)(base + d->bias);
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t m = 0; m < d->batch; m++) {
    const float *x = (const float *)(const void *)(base + d->input) + (size_t)m * d->input_c;
    for (uint32_t n = d->begin; n < d->end; n++) {
      const float *w = (const float *)(const void *)(base + d->filter) + (size_t)n * d->input_c;
      float sum = d->bias != 0 ? bias[n] : 0.0f;
      for (uint32_t k = 0; k < d->input_c; k++) sum += x[k] * w[k];
      output[(size_t)m * d->output_c + n] = edge_clamp_f32(sum, d->act_min.f, d->act_max.f);
    }
  }
}
