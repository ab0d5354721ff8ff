/* Normalisation in float32, sums in float64: the truth and the only form. */
#include "../common/math_f32.h"
#include "../common/math_f64.h"
#include "normalization.h"

static const float *row_in(const edge_normalization_desc *d, const uint8_t *base, size_t row) {
  return (const float *)(const void *)(base + d->input) + row * d->depth;
}

static float *row_out(const edge_normalization_desc *d, uint8_t *base, size_t row) {
  return (float *)(void *)(base + d->output) + row * d->depth;
}

void edge_f32_log_softmax__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const float *input = row_in(d, base, row);
    float *output = row_out(d, base, row), max = input[0];
    for (uint32_t i = 1; i < d->depth; i++) max = input[i] > max ? input[i] : max;
    double sum = 0.0;
    for (uint32_t i = 0; i < d->depth; i++) sum += (double)edge_expf(input[i] - max);
    const float ln = (float)edge_log(sum);
    for (uint32_t i = 0; i < d->depth; i++) output[i] = input[i] - max - ln;
  }
}

void edge_f32_l2_normalization__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const float *input = row_in(d, base, row);
    float *output = row_out(d, base, row);
    double sum = 0.0;
    for (uint32_t i = 0; i < d->depth; i++) sum += (double)input[i] * (double)input[i];
    const float length = (float)edge_sqrt(sum), divisor = length < 1e-6f ? 1e-6f : length;
    for (uint32_t i = 0; i < d->depth; i++) output[i] = input[i] / divisor;
  }
}

void edge_f32_local_response_normalization__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const float *input = row_in(d, base, row);
    float *output = row_out(d, base, row);
    for (uint32_t i = 0; i < d->depth; i++) {
      const uint32_t first = i > d->radius ? i - d->radius : 0, rest = d->depth - i;
      const uint32_t after = i + (d->radius < rest ? d->radius : rest);
      double sum = 0.0;
      for (uint32_t at = first; at < after; at++) sum += (double)input[at] * (double)input[at];
      const double factor = (double)d->bias + (double)d->alpha * sum;
      output[i] = input[i] * (float)edge_exp(-(double)d->beta * edge_log(factor));
    }
  }
}
