/* Mean, the truth. reduced <= 2^23 keeps the int32 sum from overflowing. */
#include "mean.h"

void edge_qs8_mean__ref(const edge_mean_desc *d, uint8_t *base) {
  const int8_t *input = (const int8_t *)(base + d->input);
  int8_t *output = (int8_t *)(base + d->output);
  for (uint32_t outer = d->begin; outer < d->end; outer++) {
    for (uint32_t inner = 0; inner < d->inner; inner++) {
      int32_t sum = 0;
      for (uint32_t r = 0; r < d->reduced; r++) sum += input[((size_t)outer * d->reduced + r) * d->inner + inner];
      output[(size_t)outer * d->inner + inner] = edge_mean_result_s8(d, sum);
    }
  }
}

void edge_f32_mean__ref(const edge_mean_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input);
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t outer = d->begin; outer < d->end; outer++) {
    for (uint32_t inner = 0; inner < d->inner; inner++) {
      double sum = 0.0;
      for (uint32_t r = 0; r < d->reduced; r++) {
        sum += (double)input[((size_t)outer * d->reduced + r) * d->inner + inner];
      }
      output[(size_t)outer * d->inner + inner] = (float)(sum / d->reduced);
    }
  }
}
