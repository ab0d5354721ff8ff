/* exp, ln and square root in float64, for results that are rounded to float32 afterwards; kernels.wasm has no libm. */
#ifndef EDGE_MATH_F64_H
#define EDGE_MATH_F64_H

#include <stdint.h>

/* 2^n, n in [-1022, 1023]. */
static inline double edge_exp2_int_f64(int64_t n) {
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double x;
  __builtin_memcpy(&x, &bits, 8);
  return x;
}

/* e^x, relative error below 1e-15 (normal results); 0 and infinity beyond the range, NaN stays NaN.
 *
 * x = n ln 2 + r, |r| <= ln 2 / 2; e^r from its Taylor series, whose next term is below 1e-17; 2^n in two factors. */
static inline double edge_exp(double x) {
  static const double FACTORIALS[] = {6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0,
                                      5040.0,       720.0,       120.0,      24.0,      6.0,      2.0};
  if (!(x == x)) return x;
  const double limited = x > -746.0 ? (x < 710.0 ? x : 710.0) : -746.0;
  const double scaled = limited * 1.4426950408889634;
  const int64_t n = (int64_t)(scaled + (scaled < 0.0 ? -0.5 : 0.5));
  const double r = limited - (double)n * 0.693147180369123816490 - (double)n * 1.90821492927058770002e-10;
  double p = 0.0;
  for (uint32_t i = 0; i < sizeof FACTORIALS / sizeof *FACTORIALS; i++) p = p * r + 1.0 / FACTORIALS[i];
  const int64_t half = n / 2;
  return ((p * r + 1.0) * r + 1.0) * edge_exp2_int_f64(half) * edge_exp2_int_f64(n - half);
}

static inline uint64_t edge_bits_of_f64(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  return bits;
}

static inline double edge_f64_of_bits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, 8);
  return x;
}

/* ln x, relative error below 1e-12; -infinity for 0 (and subnormals), NaN below.
 *
 * x = m 2^e, m in [sqrt 1/2, sqrt 2); ln m = 2 atanh((m - 1) / (m + 1)). */
static inline double edge_log(double x) {
  if (!(x - x == 0.0)) return x > 0.0 ? x : x - x;
  if (x < 2.2250738585072014e-308) return x < 0.0 ? (x - x) / (x - x) : -1.0 / (x - x);
  const int64_t bits = (int64_t)(edge_bits_of_f64(x) - UINT64_C(0x3fe6a09e667f3bcd)); /* minus sqrt 1/2 */
  const int64_t e = bits >> 52;
  const double m = edge_f64_of_bits(((uint64_t)bits & UINT64_C(0xfffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd));
  const double s = (m - 1.0) / (m + 1.0), s2 = s * s;
  double series = 0.0;
  for (int k = 17; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return (double)e * 0.69314718055994531 + 2.0 * s * series;
}

/* The square root, relative error below 1e-15; 0 for 0 and subnormals; infinity, NaN and negative numbers give NaN or
 * infinity. Five Newton steps from half the exponent. */
static inline double edge_sqrt(double x) {
  if (!(x - x == 0.0)) return x;
  if (x < 2.2250738585072014e-308) return x < 0.0 ? (x - x) / (x - x) : 0.0;
  double y = edge_f64_of_bits((edge_bits_of_f64(x) >> 1) + UINT64_C(0x1ff8000000000000));
  for (int step = 0; step < 5; step++) y = 0.5 * (y + x / y);
  return y;
}

#endif
