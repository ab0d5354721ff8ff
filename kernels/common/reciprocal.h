/* Reciprocals in gemmlowp's fixed point: Qi.f is an int32 with i integer and f fraction bits. */
#ifndef EDGE_RECIPROCAL_H
#define EDGE_RECIPROCAL_H

#include <stdint.h>

/* Saturates where int32 would overflow, as gemmlowp does. */
static inline int32_t edge_saturate_s32(int64_t x) {
  return x > INT32_MAX ? INT32_MAX : (x < INT32_MIN ? INT32_MIN : (int32_t)x);
}

/* SaturatingRoundingDoublingHighMul: a * b / 2^31, ties away from zero for positive and up for negative products. */
static inline int32_t edge_doubling_high_mul(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b;
  return edge_saturate_s32((product + (product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30))) / (INT64_C(1) << 31));
}

/* 1 / (1 + a) for a in [0, 1], Q0.31: three Newton steps on the half of 1 + a. */
static inline int32_t edge_one_over_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
  int32_t x = 1515870810 + edge_doubling_high_mul(half, -1010580540); /* Q2.29: 48/17 - 32/17 half */
  for (int step = 0; step < 3; step++) {
    const int32_t error = (1 << 29) - edge_doubling_high_mul(half, x);
    x += edge_saturate_s32((int64_t)edge_doubling_high_mul(x, error) * 4);
  }
  return edge_saturate_s32((int64_t)x * 2);
}

/* 1 / x in Q0.31 * 2^-*right for x > 0 with `digits` integer bits. */
static inline int32_t edge_reciprocal(int32_t x, int32_t digits, int32_t *right) {
  const int32_t headroom = __builtin_clz((uint32_t)x);
  *right = digits - headroom;
  return edge_one_over_one_plus((int32_t)(((uint32_t)x << headroom) - 0x80000000u));
}

#endif
