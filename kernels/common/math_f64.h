/* exp in float64, for results that are rounded to float32 afterwards; kernels.wasm has no libm. */
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

#endif
