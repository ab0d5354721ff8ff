/* Element-wise kernels. The float loops are plain enough for every build's vectoriser. */
#include "elementwise.h"

#include "../common/fixed_point.h"

/* x rounded half away from zero. Beyond +-4096 no int8 clamp can tell values apart, and int32 could not hold them. */
static inline int32_t round_limited(float x) {
  const float limited = x > -4096.0f ? (x < 4096.0f ? x : 4096.0f) : (x == x ? -4096.0f : 0.0f);
  const int32_t whole = (int32_t)limited;
  const float rest = limited - (float)whole; /* exact */
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void edge_f32_qs8_quantize__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input);
  uint8_t *output = base + d->output;
  for (uint32_t i = d->begin; i < d->end; i++) {
    const int32_t q = round_limited(input[i] / d->scale) + d->output_zero_point;
    output[i] = (uint8_t)((uint32_t)edge_clamp_s32(q, d->act_min.i, d->act_max.i) ^ d->output_xor);
  }
}

void edge_qs8_f32_dequantize__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const uint8_t *input = base + d->input;
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t i = d->begin; i < d->end; i++) {
    const int32_t q = (int8_t)(input[i] ^ d->input_xor);
    output[i] = (float)((double)d->scale * (q - d->input_zero_point));
  }
}

static inline uint8_t requantized(const edge_elementwise_desc *d, uint8_t byte) {
  const int32_t centred = (int8_t)(byte ^ d->input_xor) - d->input_zero_point;
  const int8_t q =
      edge_requantize_s8(centred, d->multiplier, d->shift, d->output_zero_point, d->act_min.i, d->act_max.i);
  return (uint8_t)((uint8_t)q ^ d->output_xor);
}

void edge_qs8_requantize__ref(const edge_elementwise_desc *d, uint8_t *base) {
  for (uint32_t i = d->begin; i < d->end; i++) base[d->output + (size_t)i] = requantized(d, base[d->input + (size_t)i]);
}

void edge_qs8_requantize__table(const edge_elementwise_desc *d, uint8_t *base) {
  uint8_t table[256];
  for (uint32_t i = 0; i < 256; i++) table[i] = requantized(d, (uint8_t)i);
  const uint8_t *input = base + d->input;
  uint8_t *output = base + d->output;
  for (uint32_t i = d->begin; i < d->end; i++) output[i] = table[input[i]];
}

void edge_f32_clamp__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input);
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t i = d->begin; i < d->end; i++) output[i] = edge_clamp_f32(input[i], d->act_min.f, d->act_max.f);
}
