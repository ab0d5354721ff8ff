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

/* What an element far below the maximum comes to depends on the distance alone, and there are 256 of them: each is
 * found once, when it is needed. `terms` and `exponentials` are the same for all rows, `outputs` belong to one. */
typedef struct distances {
  const edge_softmax_desc *d;
  int32_t exponentials[256];
  uint32_t terms[256]; /* of the sum */
  int8_t outputs[256];
  uint8_t has_exponential[256], has_output[256];
} distances;

static uint32_t term_of(distances *known, uint32_t distance) {
  if (!known->has_exponential[distance]) {
    const int32_t difference = -(int32_t)distance;
    const int32_t e = difference < known->d->diff_min ? 0 : exp_of_difference(known->d, difference);
    known->exponentials[distance] = e;
    known->terms[distance] = (uint32_t)edge_fixed_rounding_shift(e, 12);
    known->has_exponential[distance] = 1;
  }
  return known->terms[distance];
}

static int8_t output_of(distances *known, uint32_t distance, int32_t reciprocal, int32_t right) {
  if (!known->has_output[distance]) {
    const int32_t product = edge_fixed_doubling_high_mul(reciprocal, known->exponentials[distance]);
    const int32_t y = -(int32_t)distance < known->d->diff_min ? 0 : edge_fixed_rounding_shift(product, right);
    known->outputs[distance] = (int8_t)(y > 255 ? 127 : y - 128);
    known->has_output[distance] = 1;
  }
  return known->outputs[distance];
}

static void softmax_row(distances *known, const int8_t *input, int8_t *output) {
  const uint32_t depth = known->d->depth;
  int32_t max = -128;
  for (uint32_t i = 0; i < depth; i++) max = input[i] > max ? input[i] : max;
  uint64_t total = 0; /* Q12.19: 65536 terms of at most 2^19 fill 2^35 */
  for (uint32_t i = 0; i < depth; i++) total += term_of(known, (uint32_t)(max - input[i]));
  const uint32_t sum = total < 0x80000000u ? (uint32_t)total : 0x7fffffffu; /* the reference saturates */
  int32_t right;
  const int32_t reciprocal = edge_fixed_reciprocal(sum, 12 + 31 - 8, &right);
  __builtin_memset(known->has_output, 0, sizeof known->has_output);
  for (uint32_t i = 0; i < depth; i++) {
    output[i] = output_of(known, (uint32_t)(max - input[i]), reciprocal, right);
  }
}

void edge_qs8_softmax__ref(const edge_softmax_desc *d, uint8_t *base) {
  distances known;
  known.d = d;
  __builtin_memset(known.has_exponential, 0, sizeof known.has_exponential);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const size_t at = (size_t)row * d->depth;
    softmax_row(&known, (const int8_t *)(base + d->input) + at, (int8_t *)(base + d->output) + at);
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
