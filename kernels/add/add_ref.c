/* Addition, the truth. */
#include "add.h"

#include "../common/fixed_point.h"

void edge_qs8_add__ref(const edge_add_desc *d, const uint8_t *a, const uint8_t *b, uint8_t *output, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const int32_t centred_a = ((int8_t)a[i] - d->a_zero_point) * (1 << EDGE_ADD_LEFT);
    const int32_t centred_b = ((int8_t)b[i] - d->b_zero_point) * (1 << EDGE_ADD_LEFT);
    const int32_t sum =
        edge_mbqm(centred_a, d->a_multiplier, d->a_shift) + edge_mbqm(centred_b, d->b_multiplier, d->b_shift);
    output[i] =
        (uint8_t)edge_requantize_s8(sum, d->multiplier, d->shift, d->output_zero_point, d->act_min.i, d->act_max.i);
  }
}

void edge_f32_add__ref(const edge_add_desc *d, const uint8_t *a, const uint8_t *b, uint8_t *output, uint32_t count) {
  const float *x = (const float *)(const void *)a, *y = (const float *)(const void *)b;
  float *to = (float *)(void *)output;
  for (uint32_t i = 0; i < count; i++) to[i] = edge_clamp_f32(x[i] + y[i], d->act_min.f, d->act_max.f);
}
