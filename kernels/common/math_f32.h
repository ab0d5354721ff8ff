/* exp and log10 in float32: kernels.wasm has no libm, and both builds must agree. No branches, so that loops vectorise.
 */
#ifndef EDGE_MATH_F32_H
#define EDGE_MATH_F32_H

#include <stdint.h>

static inline float edge_f32_of_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}

static inline uint32_t edge_bits_of_f32(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

/* 2^n, n in [-126, 127]. */
static inline float edge_exp2_int(int32_t n) { return edge_f32_of_bits((uint32_t)(n + 127) << 23); }

/* e^x, relative error below 2e-7 (normal results); 0 and infinity beyond the range, NaN stays NaN.
 *
 * x = n ln 2 + r, |r| <= ln 2 / 2; e^r from its Taylor series, whose next term is below 6e-9; 2^n in two factors,
 * for subnormal results. */
static inline float edge_expf(float x) {
  const float limited = x > -104.0f ? (x < 89.0f ? x : 89.0f) : -104.0f; /* NaN: -104, so that n is an integer */
  const float to_int = 12582912.0f;                                      /* 1.5 * 2^23: adding it rounds */
  const float n = limited * 1.44269504f + to_int - to_int;
  const float r = limited - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const int32_t half = (int32_t)n >> 1;
  const float y = p * edge_exp2_int(half) * edge_exp2_int((int32_t)n - half);
  return x == x ? y : x;
}

/* log10(x) for x > 0, relative error below 1e-6; infinity and NaN stay themselves.
 *
 * x = m 2^e, m in [sqrt 1/2, sqrt 2); ln m = 2 atanh((m - 1) / (m + 1)), in float64, which keeps the digits near 1. */
static inline float edge_log10f(float x) {
  if (!(x - x == 0.0f)) return x;
  const int subnormal = x < 1.17549435e-38f;
  const uint32_t bits = edge_bits_of_f32(subnormal ? x * 16777216.0f : x) - 0x3f3504f3u; /* minus sqrt 1/2 */
  const int32_t e = ((int32_t)bits >> 23) - (subnormal ? 24 : 0);
  const double m = (double)edge_f32_of_bits((bits & 0x7fffffu) + 0x3f3504f3u);
  const double s = (m - 1.0) / (m + 1.0), s2 = s * s;
  const double series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
  return (float)(e * 0.30102999566398120 + s * series * 0.86858896380650366);
}

#endif
