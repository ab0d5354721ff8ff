/* Soft-max, the truth and the only form: what it costs is in the exponentials.
 *
 * int8: TFLite's reference/softmax.h on gemmlowp's fixed point. Qi.f is an int32 with i integer and f fraction bits.
 */
#include "softmax.h"

#include "../common/math_f32.h"

/* Saturates where int32 would overflow, as gemmlowp does. */
static int32_t saturate(int64_t x) { return x > INT32_MAX ? INT32_MAX : (x < INT32_MIN ? INT32_MIN : (int32_t)x); }

/* SaturatingRoundingDoublingHighMul: a * b / 2^31, ties away from zero for positive and up for negative products. */
static int32_t doubling_high_mul(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b;
  return saturate((product + (product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30))) / (INT64_C(1) << 31));
}

/* RoundingDivideByPOT: x / 2^e, ties away from zero. e: [0, 31]. */
static int32_t rounding_shift(int32_t x, int32_t e) {
  const int64_t mask = (INT64_C(1) << e) - 1;
  const int64_t rest = x & mask;
  return (int32_t)(((int64_t)x >> e) + (rest > (mask >> 1) + (x < 0)));
}

static int32_t shift_left(int32_t x, int32_t count) { return saturate((int64_t)x * (INT64_C(1) << count)); }

static int32_t add_wrapped(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

/* e^a for a in [-1/4, 0), Q0.31: the Taylor series around -1/8, to the fourth order. */
static int32_t exp_quarter(int32_t a) {
  const int32_t x = add_wrapped(a, 1 << 28);
  const int32_t x2 = doubling_high_mul(x, x), x3 = doubling_high_mul(x2, x), x4 = doubling_high_mul(x2, x2);
  const int32_t third = 715827883, exp_minus_eighth = 1895147668;
  const int32_t high = doubling_high_mul(add_wrapped(rounding_shift(x4, 2), x3), third);
  const int32_t series = rounding_shift(add_wrapped(high, x2), 1);
  return saturate((int64_t)exp_minus_eighth + doubling_high_mul(exp_minus_eighth, add_wrapped(x, series)));
}

/* e^a for a <= 0 in Q5.26, as Q0.31: e^(a mod 1/4) times e^-(2^k) for each bit of the rest. */
static int32_t exp_negative(int32_t a) {
  static const int32_t FACTORS[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  if (a == 0) return INT32_MAX;
  const int32_t quarter = 1 << 24;
  const int32_t rest = (int32_t)((uint32_t)a & (uint32_t)(quarter - 1)) - quarter;
  const uint32_t whole = (uint32_t)rest - (uint32_t)a;
  int32_t y = exp_quarter(shift_left(rest, 5));
  for (uint32_t k = 0; k < 7; k++) {
    if ((whole >> (24u + k) & 1u) != 0) y = doubling_high_mul(y, FACTORS[k]);
  }
  return y;
}

/* 1 / (1 + a) for a in [0, 1], Q0.31: three Newton steps on the half of 1 + a. */
static int32_t one_over_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
  int32_t x = add_wrapped(1515870810, doubling_high_mul(half, -1010580540)); /* Q2.29: 48/17 - 32/17 half */
  for (int step = 0; step < 3; step++) {
    const int32_t error = (1 << 29) - doubling_high_mul(half, x);
    x = add_wrapped(x, shift_left(doubling_high_mul(x, error), 2));
  }
  return shift_left(x, 1);
}

/* e^(difference from the maximum), Q0.31; difference >= diff_min. */
static int32_t exp_of_difference(const edge_softmax_desc *d, int32_t difference) {
  return exp_negative(doubling_high_mul(shift_left(difference, d->shift), d->multiplier));
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
    const uint32_t term = (uint32_t)rounding_shift(exponential(e, input[i] - max), 12);
    sum = sum + term < 0x80000000u ? sum + term : 0x7fffffffu;
  }
  const int32_t headroom = __builtin_clz(sum);
  const int32_t reciprocal = one_over_one_plus((int32_t)((sum << headroom) - 0x80000000u));
  const int32_t right = 12 - headroom + 31 - 8;
  for (uint32_t i = 0; i < depth; i++) {
    const int32_t difference = input[i] - max;
    int32_t y = 0;
    if (difference >= e->d->diff_min) {
      y = rounding_shift(doubling_high_mul(reciprocal, exponential(e, difference)), right);
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
