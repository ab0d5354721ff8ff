/* gemmlowp's fixed point in 16 bits: logistic and hyperbolic tangent of integer LSTMs. Qi.f is an int16 with i integer
 * and f fraction bits.
 *
 * gemmlowp fixedpoint/fixedpoint.h on std::int16_t: constants are those of 32 bits, rounded.
 */
#ifndef EDGE_FIXED_POINT_S16_H
#define EDGE_FIXED_POINT_S16_H

#include <stdint.h>

static inline int16_t edge_saturate_s16(int32_t x) {
  return (int16_t)(x > INT16_MAX ? INT16_MAX : (x < INT16_MIN ? INT16_MIN : x));
}

/* Modulo 2^16. */
static inline int16_t edge_wrap_s16(int32_t x) { return (int16_t)(uint16_t)(uint32_t)x; }

/* SaturatingRoundingDoublingHighMul: a * b / 2^15, ties away from zero for positive and up for negative products. */
static inline int16_t edge_high_mul_s16(int16_t a, int16_t b) {
  const int32_t product = (int32_t)a * b;
  return edge_saturate_s16((product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

/* RoundingDivideByPOT: x / 2^e, ties away from zero. e: [0, 31]. */
static inline int32_t edge_rounding_shift(int32_t x, int32_t e) {
  const int64_t mask = (INT64_C(1) << e) - 1;
  const int64_t rest = x & mask;
  return (int32_t)(((int64_t)x >> e) + (rest > (mask >> 1) + (x < 0)));
}

/* e^a for a in [-1/4, 0), Q0.15: the Taylor series around -1/8, to the fourth order. */
static inline int16_t edge_exp_quarter_s16(int16_t a) {
  const int16_t x = edge_wrap_s16(a + (1 << 12));
  const int16_t x2 = edge_high_mul_s16(x, x), x3 = edge_high_mul_s16(x2, x), x4 = edge_high_mul_s16(x2, x2);
  const int16_t third = 10923, exp_minus_eighth = 28918;
  const int16_t high = edge_high_mul_s16(edge_wrap_s16(edge_rounding_shift(x4, 2) + x3), third);
  const int16_t series = (int16_t)edge_rounding_shift(edge_wrap_s16(high + x2), 1);
  return edge_saturate_s16(exp_minus_eighth + edge_high_mul_s16(exp_minus_eighth, edge_wrap_s16(x + series)));
}

/* e^a for a <= 0 with `integer_bits` [1, 7] integer bits, as Q0.15: e^(a mod 1/4) times e^-(2^k) for each bit. */
static inline int16_t edge_exp_negative_s16(int16_t a, int32_t integer_bits) {
  /* e^-(1/4), e^-(1/2), e^-1 ... e^-16 */
  static const int16_t FACTORS[] = {25520, 19875, 12055, 4435, 600, 11, 0};
  if (a == 0) return INT16_MAX;
  const int32_t fraction_bits = 15 - integer_bits;
  const int32_t quarter = 1 << (fraction_bits - 2);
  const int16_t rest = (int16_t)((a & (quarter - 1)) - quarter);
  const uint32_t whole = (uint16_t)(uint32_t)(rest - a);
  int16_t y = edge_exp_quarter_s16(edge_saturate_s16((int32_t)rest * (1 << integer_bits)));
  for (int32_t k = -2; k <= 4 && k < integer_bits; k++) {
    if ((whole >> (uint32_t)(fraction_bits + k) & 1u) != 0) y = edge_high_mul_s16(y, FACTORS[k + 2]);
  }
  return integer_bits > 5 && a < -(1 << (20 - integer_bits)) ? 0 : y;
}

/* Q2.13: about 1 / ((1 + a) / 2) for a in [0, 1], Q0.15; three Newton steps. */
static inline int16_t edge_reciprocal_of_half_s16(int16_t a) {
  const int16_t half = (int16_t)((a + INT16_MAX + 1) / 2);
  int16_t x = edge_wrap_s16(23130 + edge_high_mul_s16(half, -15420)); /* 48/17 - 32/17 half */
  for (int step = 0; step < 3; step++) {
    const int16_t error = edge_wrap_s16((1 << 13) - edge_high_mul_s16(half, x));
    x = edge_wrap_s16(x + edge_saturate_s16(edge_high_mul_s16(x, error) * 4));
  }
  return x;
}

/* Q3.12 -> Q0.15. */
static inline int16_t edge_logistic_s16(int16_t a) {
  if (a == 0) return 1 << 14;
  const int16_t e = edge_exp_negative_s16(a > 0 ? edge_wrap_s16(-a) : a, 3);
  /* Q2.13 halved is Q1.14 in the same bits; to Q0.15. */
  const int16_t y = edge_saturate_s16(edge_reciprocal_of_half_s16(e) * 2);
  return a > 0 ? y : (int16_t)(INT16_MAX - y);
}

/* With `integer_bits` [0, 6] integer bits -> Q0.15. */
static inline int16_t edge_tanh_s16(int16_t a, int32_t integer_bits) {
  if (a == 0) return 0;
  /* Twice a, as the same bits with one integer bit more. */
  const int16_t e = edge_exp_negative_s16(a < 0 ? a : edge_wrap_s16(-a), integer_bits + 1);
  const int16_t y = edge_saturate_s16(edge_wrap_s16(edge_reciprocal_of_half_s16(e) - (1 << 13)) * 4);
  return a < 0 ? edge_wrap_s16(-y) : y;
}

#endif
