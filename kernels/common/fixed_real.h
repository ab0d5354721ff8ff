/* Real functions in gemmlowp's fixed point, as TFLite's quantised kernels use it. Qi.f is an int32 with i integer and f
 * fraction bits. */
#ifndef EDGE_FIXED_REAL_H
#define EDGE_FIXED_REAL_H

#include <stdint.h>

/* Saturates where int32 would overflow, as gemmlowp does. */
static inline int32_t edge_fixed_saturate(int64_t x) {
  return x > INT32_MAX ? INT32_MAX : (x < INT32_MIN ? INT32_MIN : (int32_t)x);
}

/* SaturatingRoundingDoublingHighMul: a * b / 2^31, ties away from zero for positive and up for negative products. */
static inline int32_t edge_fixed_doubling_high_mul(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b;
  return edge_fixed_saturate((product + (product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30))) /
                             (INT64_C(1) << 31));
}

/* RoundingDivideByPOT: x / 2^e, ties away from zero. e: [0, 31]. */
static inline int32_t edge_fixed_rounding_shift(int32_t x, int32_t e) {
  const int64_t mask = (INT64_C(1) << e) - 1;
  const int64_t rest = x & mask;
  return (int32_t)(((int64_t)x >> e) + (rest > (mask >> 1) + (x < 0)));
}

static inline int32_t edge_fixed_shift_left(int32_t x, int32_t count) {
  return edge_fixed_saturate((int64_t)x * (INT64_C(1) << count));
}

static inline int32_t edge_fixed_add_wrapped(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

/* e^a for a in [-1/4, 0), Q0.31: the Taylor series around -1/8, to the fourth order. */
static inline int32_t edge_fixed_exp_quarter(int32_t a) {
  const int32_t x = edge_fixed_add_wrapped(a, 1 << 28);
  const int32_t x2 = edge_fixed_doubling_high_mul(x, x), x3 = edge_fixed_doubling_high_mul(x2, x),
                x4 = edge_fixed_doubling_high_mul(x2, x2);
  const int32_t third = 715827883, exp_minus_eighth = 1895147668;
  const int32_t high =
      edge_fixed_doubling_high_mul(edge_fixed_add_wrapped(edge_fixed_rounding_shift(x4, 2), x3), third);
  const int32_t series = edge_fixed_rounding_shift(edge_fixed_add_wrapped(high, x2), 1);
  return edge_fixed_saturate((int64_t)exp_minus_eighth +
                             edge_fixed_doubling_high_mul(exp_minus_eighth, edge_fixed_add_wrapped(x, series)));
}

/* e^a for a <= 0 in Q5.26, as Q0.31: e^(a mod 1/4) times e^-(2^k) for each bit of the rest. */
static inline int32_t edge_fixed_exp_negative(int32_t a) {
  static const int32_t FACTORS[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  if (a == 0) return INT32_MAX;
  const int32_t quarter = 1 << 24;
  const int32_t rest = (int32_t)((uint32_t)a & (uint32_t)(quarter - 1)) - quarter;
  const uint32_t whole = (uint32_t)rest - (uint32_t)a;
  int32_t y = edge_fixed_exp_quarter(edge_fixed_shift_left(rest, 5));
  for (uint32_t k = 0; k < 7; k++) {
    if ((whole >> (24u + k) & 1u) != 0) y = edge_fixed_doubling_high_mul(y, FACTORS[k]);
  }
  return y;
}

/* 1 / (1 + a) for a in [0, 1], Q0.31: three Newton steps on the half of 1 + a. */
static inline int32_t edge_fixed_one_over_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
  int32_t x = edge_fixed_add_wrapped(1515870810,
                                     edge_fixed_doubling_high_mul(half, -1010580540)); /* Q2.29: 48/17 - 32/17 half */
  for (int step = 0; step < 3; step++) {
    const int32_t error = (1 << 29) - edge_fixed_doubling_high_mul(half, x);
    x = edge_fixed_add_wrapped(x, edge_fixed_shift_left(edge_fixed_doubling_high_mul(x, error), 2));
  }
  return edge_fixed_shift_left(x, 1);
}

/* 1 / x in Q0.31 * 2^-*right for x > 0 with `digits` integer bits. */
static inline int32_t edge_fixed_reciprocal(uint32_t x, int32_t digits, int32_t *right) {
  const int32_t headroom = __builtin_clz(x);
  *right = digits - headroom;
  return edge_fixed_one_over_one_plus((int32_t)((x << headroom) - 0x80000000u));
}

/* (a + b) / 2, ties away from zero. */
static inline int32_t edge_fixed_half_sum(int32_t a, int32_t b) {
  const int64_t sum = (int64_t)a + b;
  return (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/* ln x for x >= 1 in Q12.19, as Q5.26; quantization_util.h, log_x_for_x_greater_than_or_equal_to_1. The names are those
 * of its formula: z is x brought near 1 by a power of two and, the other way, by the root of a half. */
static inline int32_t edge_fixed_ln(int32_t x) {
  const int32_t ln_2 = 1488522236, root_half = 1518500250, root_root_half = 1805811301, quarter = 1 << 23;
  const int32_t alpha_n = 117049297, alpha_d = 127690142, alpha_i = 1057819769, alpha_f = 638450708;
  const int32_t a_headroom = x > 0 ? __builtin_clz((uint32_t)x) : 31;
  const int32_t a_raised = edge_fixed_doubling_high_mul(edge_fixed_shift_left(x, a_headroom - 1), root_half);
  const int32_t r_a = edge_fixed_shift_left(a_raised, 1);
  const int32_t power_a = edge_fixed_saturate((int64_t)edge_fixed_shift_left(12 - a_headroom, 25) + quarter);
  const int32_t b = edge_fixed_doubling_high_mul(x, root_half);
  const int32_t b_headroom = b > 0 ? __builtin_clz((uint32_t)b) - 1 : 30;
  const int32_t r_b = edge_fixed_shift_left(x, b_headroom);
  const int32_t power_b = edge_fixed_saturate((int64_t)edge_fixed_shift_left(12 - b_headroom, 25) - quarter);
  const int32_t r = r_a < r_b ? r_a : r_b, power = power_a > power_b ? power_a : power_b;
  const int32_t p = edge_fixed_half_sum(r, root_root_half);
  const int32_t half_q = (int32_t)((uint32_t)r - (uint32_t)root_root_half);
  const int32_t q = edge_fixed_add_wrapped(half_q, half_q);
  const int32_t square = edge_fixed_doubling_high_mul(q, q);
  const int32_t cube = edge_fixed_doubling_high_mul(edge_fixed_doubling_high_mul(q, square), alpha_n);
  const int32_t above = edge_fixed_add_wrapped(edge_fixed_doubling_high_mul(q, r), cube);
  const int32_t inner =
      edge_fixed_add_wrapped(edge_fixed_add_wrapped(alpha_i, q), edge_fixed_doubling_high_mul(alpha_d, square));
  const int32_t below =
      edge_fixed_add_wrapped(edge_fixed_doubling_high_mul(p, inner), edge_fixed_doubling_high_mul(alpha_f, q));
  const int32_t fraction =
      edge_fixed_doubling_high_mul(edge_fixed_rounding_shift(above, 6), edge_fixed_one_over_one_plus(below));
  return edge_fixed_shift_left(edge_fixed_add_wrapped(edge_fixed_doubling_high_mul(power, ln_2), fraction), 1);
}

/* 1 / sqrt(x) as multiplier / 2^(31 + right); quantization_util.h, GetInvSqrtQuantizedMultiplierExp: five Newton steps
 * from 1 in Q3.28. x: 0 counts as 1. */
typedef struct edge_fixed_root {
  int32_t multiplier, right;
} edge_fixed_root;

static inline edge_fixed_root edge_fixed_inverse_root(int32_t x) {
  edge_fixed_root root = {INT32_MAX, 0};
  if (x <= 1) return root;
  root.right = 11;
  for (; x >= 1 << 29; x /= 4) root.right++;
  const int32_t pairs = (__builtin_clz((uint32_t)x) - 1) / 2 - 1;
  root.right -= pairs;
  const int32_t input = (int32_t)((uint32_t)x << (2 * pairs)) >> 1;
  const int32_t half = edge_fixed_rounding_shift(input, 1), three_halves = (1 << 28) + (1 << 27);
  int32_t y = 1 << 28;
  for (int step = 0; step < 5; step++) {
    const int32_t square = edge_fixed_doubling_high_mul(y, y);
    const int32_t cube = edge_fixed_shift_left(edge_fixed_doubling_high_mul(square, y), 6);
    const int64_t next =
        (int64_t)edge_fixed_doubling_high_mul(three_halves, y) - edge_fixed_doubling_high_mul(half, cube);
    y = edge_fixed_shift_left(edge_fixed_saturate(next), 3);
  }
  root.multiplier = edge_fixed_doubling_high_mul(y, 1518500250);
  if (root.right < 0) {
    root.multiplier = (int32_t)((uint32_t)root.multiplier << -root.right);
    root.right = 0;
  }
  return root;
}

#endif
