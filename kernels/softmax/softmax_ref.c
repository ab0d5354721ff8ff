/* Soft-max, the truth and the only form: what it costs is in the exponentials.
 *
 * int8: TFLite's reference/softmax.h on gemmlowp's fixed point. Qi.f is an int32 with i integer and f fraction bits.
 */
#include "softmax.h"

#include "../common/fixed_real.h"
#include "../common/math_f32.h"

/* e^(difference from the maximum), Q0.31; difference >= diff_min. */
static int32_t exp_of_difference(const edge_softmax_desc *d, int32_t difference) {
  return edge_fixed_exp_negative(
      edge_fixed_doubling_high_mul(edge_fixed_shift_left(difference, d->shift), d->multiplier));
}

/* Exponentials of all 256 differences, worth it for many elements; else each is computed when needed. */
typedef struct exponentials {
  const edge_softmax_desc *d;
  int tabled;
  int32_t table[256];
} exponentials;

static int32_t exponential(const exponentials *e, int32_t difference) {
  if (difference < e->d->diff_min) return 0;
  return e->tabled ? e->table[-difference] : exp_of_difference(e->d, difference);
}

static void softmax_row(const exponentials *e, const int8_t *input, int8_t *output) {
  const uint32_t depth = e->d->depth;
  int32_t max = -128;
  for (uint32_t i = 0; i < depth; i++) max = input[i] > max ? input[i] : max;
  uint32_t sum = 0; /* Q12.19: 65536 terms of at most 2^19 would fill 2^35, so saturate */
  for (uint32_t i = 0; i < depth; i++) {
    const uint32_t term = (uint32_t)edge_fixed_rounding_shift(exponential(e, input[i] - max), 12);
    sum = sum + term < 0x80000000u ? sum + term : 0x7fffffffu;
  }
  int32_t right;
  const int32_t reciprocal = edge_fixed_reciprocal(sum, 12 + 31 - 8, &right);
  for (uint32_t i = 0; i < depth; i++) {
    const int32_t difference = input[i] - max;
    int32_t y = 0;
    if (difference >= e->d->diff_min) {
      y = edge_fixed_rounding_shift(edge_fixed_doubling_high_mul(reciprocal, exponential(e, difference)), right);
    }
    output[i] = (int8_t)(y > 255 ? 127 : y - 128);
  }
}

void edge_qs8_softmax__ref(const edge_softmax_desc *d, uint8_t *base) {
  exponentials e = {.d = d, .tabled = (uint64_t)(d->end - d->begin) * d->depth >= 256};
  for (int32_t i = 0; e.tabled && i < 256; i++) e.table[i] = -i < d->diff_min ? 0 : exp_of_difference(d, -i);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const size_t at = (size_t)row * d->depth;
    softmax_row(&e, (const int8_t *)(base + d->input) + at, (int8_t *)(base + d->output) + at);
  }
}

static void softmax_row_f32(const float *input, float *output, uint32_t depth, float beta) {
  float max = input[0];
  for (uint32_t i = 1; i < depth; i++) max = input[i] > max ? input[i] : max;
  for (uint32_t i = 0; i < depth; i++) output[i] = edge_expf((input[i] - max) * beta);
  double sum = 0.0;
  for (uint32_t i = 0; i < depth; i++) sum += (double)output[i];
  const float total = (float)sum;
  for (uint32_t i = 0; i < depth; i++) output[i] /= total;
}

void edge_f32_softmax__ref(const edge_softmax_desc *d, uint8_t *base) {
  for (uint32_t row = d->begin; row < d->end; row++) {
    const size_t at = (size_t)row * d->depth;
    softmax_row_f32((const float *)(const void *)(base + d->input) + at, (float *)(void *)(base + d->output) + at,
                    d->depth, d->beta.f);
  }
}
