/* Normalisation in integers, the truth and the only form. */
#include "normalization.h"

#include "../common/fixed_point.h"
#include "../common/fixed_real.h"

static int32_t max_s8(const int8_t *input, uint32_t depth) {
  int32_t max = -128;
  for (uint32_t i = 0; i < depth; i++) max = input[i] > max ? input[i] : max;
  return max;
}

/* Sum of e^difference over a row in Q12.19; 32768 terms of at most 2^19 would fill 2^34, so it saturates.
 * rescale: how a difference from the maximum, above diff_min, becomes Q5.26. */
static int32_t sum_of_exponentials(const edge_normalization_desc *d, const int8_t *input, int32_t max,
                                   int32_t (*rescale)(const edge_normalization_desc *d, int32_t difference)) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < d->depth; i++) {
    const int32_t difference = input[i] - max;
    if (difference < d->diff_min) continue;
    const int32_t e = edge_fixed_exp_negative(rescale(d, difference));
    sum += (uint32_t)edge_fixed_rounding_shift(e, 12);
    sum = sum < 0x80000000u ? sum : 0x7fffffffu;
  }
  return (int32_t)sum;
}

static int32_t rescale_softmax(const edge_normalization_desc *d, int32_t difference) {
  return edge_fixed_doubling_high_mul(edge_fixed_shift_left(difference, d->shift), d->multiplier);
}

void edge_qs8_s16_softmax__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const int8_t *input = (const int8_t *)(base + d->input) + row * d->depth;
    int16_t *output = (int16_t *)(void *)(base + d->output) + row * d->depth;
    const int32_t max = max_s8(input, d->depth);
    const uint32_t sum = (uint32_t)sum_of_exponentials(d, input, max, rescale_softmax);
    int32_t right;
    const int32_t reciprocal = edge_fixed_reciprocal(sum == 0 ? 1u : sum, 12 + 31 - 16, &right);
    for (uint32_t i = 0; i < d->depth; i++) {
      const int32_t difference = input[i] - max;
      int32_t y = 0;
      if (difference >= d->diff_min) {
        const int32_t e = edge_fixed_exp_negative(rescale_softmax(d, difference));
        y = edge_fixed_rounding_shift(edge_fixed_doubling_high_mul(reciprocal, e), right < 0 ? 0 : right);
      }
      output[i] = (int16_t)(edge_clamp_s32(y, 0, 65535) - 32768);
    }
  }
}

/* What stands between the ends of straight lines: 512 of them over all 65536 values. In 16 bits, so it may wrap. */
static int32_t between(const int16_t *ends, int32_t x) {
  const int32_t line = 256 + (x >> 7), slope = (int16_t)(ends[line + 1] - ends[line]);
  return (int16_t)(ends[line] + ((slope * (x & 127) + 64) >> 7));
}

void edge_qs16_softmax__ref(const edge_normalization_desc *d, uint8_t *base) {
  const int16_t *exponentials = (const int16_t *)(const void *)(base + d->exponentials);
  const int16_t *reciprocals = (const int16_t *)(const void *)(base + d->reciprocals);
  for (size_t row = d->begin; row < d->end; row++) {
    const int16_t *input = (const int16_t *)(const void *)(base + d->input) + row * d->depth;
    int16_t *output = (int16_t *)(void *)(base + d->output) + row * d->depth;
    int32_t max = -32768, sum = 0;
    for (uint32_t i = 0; i < d->depth; i++) max = input[i] > max ? input[i] : max;
    for (uint32_t i = 0; i < d->depth; i++) {
      const int64_t x = (int64_t)edge_mbqm(input[i] - max, d->multiplier, d->shift) + 32767;
      output[i] = (int16_t)between(exponentials, (int32_t)(x < -32768 ? -32768 : (x > 32767 ? 32767 : x)));
      sum += output[i]; /* 32768 terms of 16 bits each fit */
    }
    /* The largest term is 32767 in tables that are what they should be; in others the shifts below must still do. */
    const uint32_t total = sum > 2 ? (uint32_t)sum : 2u;
    const int32_t headroom = __builtin_clz(total), right = 31 - headroom;
    const int32_t shifted = (int32_t)((((int64_t)total << (headroom - 1)) + (1 << 13)) >> 14);
    const int32_t reciprocal = between(reciprocals, edge_clamp_s32(shifted - (1 << 15) - (1 << 16), -32768, 32767));
    for (uint32_t i = 0; i < d->depth; i++) {
      const int64_t y = ((int64_t)output[i] * reciprocal + (INT64_C(1) << (right - 1))) >> right;
      output[i] = (int16_t)(y < 0 ? 0 : (y > 32767 ? 32767 : y));
    }
  }
}

static int32_t rescale_log(const edge_normalization_desc *d, int32_t difference) {
  return edge_mbqm(difference, d->multiplier, d->shift);
}

void edge_qs8_log_softmax__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const int8_t *input = (const int8_t *)(base + d->input) + row * d->depth;
    int8_t *output = (int8_t *)(base + d->output) + row * d->depth;
    const int32_t max = max_s8(input, d->depth);
    const int32_t ln = edge_fixed_ln(sum_of_exponentials(d, input, max, rescale_log));
    /* ln - 2^31 as a difference: lower ones would fall out of Q5.26. */
    const int32_t deepest = (int32_t)((uint32_t)ln + 0x80000000u);
    const int32_t least = edge_mbqm(deepest, d->reverse_multiplier, d->reverse_shift);
    const int32_t limit = d->diff_min - 1 > least ? d->diff_min - 1 : least;
    for (uint32_t i = 0; i < d->depth; i++) {
      const int32_t difference = input[i] - max;
      int32_t y = -128;
      if (difference > limit) {
        const int32_t x = (int32_t)((uint32_t)rescale_log(d, difference) - (uint32_t)ln);
        y = edge_clamp_s32(edge_fixed_rounding_shift(x, 22) + 127, -128, 127);
      }
      output[i] = (int8_t)y;
    }
  }
}

void edge_qs8_l2_normalization__ref(const edge_normalization_desc *d, uint8_t *base) {
  for (size_t row = d->begin; row < d->end; row++) {
    const int8_t *input = (const int8_t *)(base + d->input) + row * d->depth;
    int8_t *output = (int8_t *)(base + d->output) + row * d->depth;
    int32_t sum = 0; /* 32768 squares of at most 255 fit */
    for (uint32_t i = 0; i < d->depth; i++) {
      const int32_t x = input[i] - d->zero_point;
      sum += x * x;
    }
    const edge_fixed_root root = edge_fixed_inverse_root(sum);
    for (uint32_t i = 0; i < d->depth; i++) {
      const int32_t x = input[i] - d->zero_point;
      const int32_t before = edge_fixed_doubling_high_mul(128 * x, root.multiplier);
      const int32_t y = d->shift != 0 ? edge_mbqm(x, root.multiplier, d->shift - root.right)
                                      : edge_fixed_rounding_shift(before, root.right);
      output[i] = (int8_t)edge_clamp_s32(y, -128, 127);
    }
  }
}
