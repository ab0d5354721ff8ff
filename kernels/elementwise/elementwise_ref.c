/* Element-wise kernels. The float loops are plain enough for every build's vectoriser. */
#include "elementwise.h"

#include "../common/fixed_point.h"
#include "../common/chunk.h"

/* The largest float below 0.5: trunc(x + copysign(this, x)) is x rounded half away from zero, see gemm_tile.h. */
#define HALF_BELOW 0x1.fffffep-2f

/* x rounded half away from zero. Beyond +-4096 no int8 clamp can tell values apart, and int32 could not hold them. */
static inline int32_t round_limited(float x) {
  const float limited = x > -4096.0f ? (x < 4096.0f ? x : 4096.0f) : (x == x ? -4096.0f : 0.0f);
  return (int32_t)(limited + (limited < 0.0f ? -HALF_BELOW : HALF_BELOW));
}

void edge_f32_qs8_quantize__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input), scale = d->scale;
  const int32_t zero_point = d->output_zero_point, low = d->act_min.i, high = d->act_max.i;
  const uint32_t end = d->end, sign = d->output_xor;
  uint8_t *output = base + d->output, made[EDGE_CHUNK];
  for (uint32_t at = d->begin, lanes; at < end; at += lanes) {
    lanes = edge_chunk_of(end - at);
    for (uint32_t i = 0; i < lanes; i++) {
      const int32_t q = round_limited(input[at + i] / scale) + zero_point;
      made[i] = (uint8_t)((uint32_t)edge_clamp_s32(q, low, high) ^ sign);
    }
    for (uint32_t i = 0; i < lanes; i++) output[at + i] = made[i];
  }
}

void edge_qs8_f32_dequantize__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const uint8_t *input = base + d->input;
  const double scale = (double)d->scale;
  const int32_t zero_point = d->input_zero_point;
  const uint32_t end = d->end, sign = d->input_xor;
  float *output = (float *)(void *)(base + d->output), made[EDGE_CHUNK];
  for (uint32_t at = d->begin, lanes; at < end; at += lanes) {
    lanes = edge_chunk_of(end - at);
    for (uint32_t i = 0; i < lanes; i++) made[i] = (float)(scale * ((int8_t)(input[at + i] ^ sign) - zero_point));
    for (uint32_t i = 0; i < lanes; i++) output[at + i] = made[i];
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

/* Whether table[i] is i + table[0], modulo 256. */
static int is_sum(const uint8_t table[256]) {
  uint8_t different = 0;
  for (uint32_t i = 0; i < 256; i++) different |= (uint8_t)(table[i] - table[0] - i);
  return different == 0;
}

void edge_qs8_requantize__table(const edge_elementwise_desc *d, uint8_t *base) {
  uint8_t table[256];
  for (uint32_t i = 0; i < 256; i++) table[i] = requantized(d, (uint8_t)i);
  const uint8_t *input = base + d->input;
  uint8_t *output = base + d->output;
  const uint32_t end = d->end;
  if (is_sum(table)) { /* uint8 to int8 of the same scale, for one */
    const uint8_t added = table[0];
    uint8_t made[EDGE_CHUNK];
    for (uint32_t at = d->begin, lanes; at < end; at += lanes) {
      lanes = edge_chunk_of(end - at);
      for (uint32_t i = 0; i < lanes; i++) made[i] = (uint8_t)(input[at + i] + added);
      for (uint32_t i = 0; i < lanes; i++) output[at + i] = made[i];
    }
    return;
  }
  for (uint32_t i = d->begin; i < end; i++) output[i] = table[input[i]];
}

void edge_f32_clamp__ref(const edge_elementwise_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input), low = d->act_min.f, high = d->act_max.f;
  const uint32_t end = d->end;
  float *output = (float *)(void *)(base + d->output), made[EDGE_CHUNK];
  for (uint32_t at = d->begin, lanes; at < end; at += lanes) {
    lanes = edge_chunk_of(end - at);
    for (uint32_t i = 0; i < lanes; i++) made[i] = edge_clamp_f32(input[at + i], low, high);
    for (uint32_t i = 0; i < lanes; i++) output[at + i] = made[i];
  }
}
