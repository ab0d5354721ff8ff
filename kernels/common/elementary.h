/* Elementary functions of float32 numbers, worked out in float64 and rounded once: within one unit in the last place
 * where a comment says nothing else. No libm (kernels.wasm has none), and the same bits on every instruction set.
 */
#ifndef EDGE_ELEMENTARY_H
#define EDGE_ELEMENTARY_H

#include "math_f32.h"

static inline double edge_f64_of_bits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, 8);
  return x;
}

static inline double edge_abs_f64(double x) { return x < 0.0 ? -x : x; }

/* 1.5 * 2^52: adding it rounds to an integer, ties to even. */
#define EDGE_TO_INT_F64 6755399441055744.0

/* e^x in float64, relative error below 1e-14; 0 and infinity beyond the range, NaN stays NaN.
 *
 * x = n ln 2 + r, |r| <= ln 2 / 2; e^r from its Taylor series; 2^n in two factors, for results beyond 2^1023. */
static inline double edge_exp_f64(double x) {
  const double limited = x > -800.0 ? (x < 800.0 ? x : 800.0) : -800.0; /* NaN: -800, so that n is an integer */
  const double n = limited * 1.4426950408889634 + EDGE_TO_INT_F64 - EDGE_TO_INT_F64;
  const double r = limited - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10;
  double p = 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  const int32_t half = (int32_t)n >> 1, rest = (int32_t)n - half;
  const double low = edge_f64_of_bits((uint64_t)(half + 1023) << 52);
  const double high = edge_f64_of_bits((uint64_t)(rest + 1023) << 52);
  return x == x ? p * low * high : x;
}

/* ln x in float64, relative error below 1e-11; -infinity for 0, NaN below.
 *
 * As edge_log10f: x = m 2^e, m in [sqrt 1/2, sqrt 2), ln m = 2 atanh((m - 1) / (m + 1)). */
static inline double edge_log_f64(float x) {
  if (x < 0.0f) return __builtin_nan("");
  if (x == 0.0f) return -__builtin_inf();
  if (!(x - x == 0.0f)) return (double)x;
  const int subnormal = x < 1.17549435e-38f;
  const uint32_t bits = edge_bits_of_f32(subnormal ? x * 16777216.0f : x) - 0x3f3504f3u; /* minus sqrt 1/2 */
  const int32_t e = ((int32_t)bits >> 23) - (subnormal ? 24 : 0);
  const double m = (double)edge_f32_of_bits((bits & 0x7fffffu) + 0x3f3504f3u);
  const double s = (m - 1.0) / (m + 1.0), s2 = s * s;
  double p = 1.0 / 13.0;
  p = p * s2 + 1.0 / 11.0;
  p = p * s2 + 1.0 / 9.0;
  p = p * s2 + 1.0 / 7.0;
  p = p * s2 + 1.0 / 5.0;
  p = p * s2 + 1.0 / 3.0;
  return e * 0.69314718055994531 + 2.0 * s * (p * s2 + 1.0);
}

/* The angle x as n quarter turns and a rest of at most an eighth: the rest in radians, absolute error below 1e-15. */
typedef struct edge_angle {
  uint32_t quarters;
  double rest;
} edge_angle;

/* |x| < 2^23: pi/2 in three parts, the first two short enough for exact products. Above: the bits of 1 / 2 pi that
 * decide the fraction of a turn, times the mantissa, wrapped at whole turns. */
static inline edge_angle edge_reduce_angle(float x) {
  static const uint32_t PER_TURN[] = {0x28be60db, 0x9391054a, 0x7f09d5f4, 0x7d4d3770,
                                      0x36d8a566, 0x4f10e410, 0x7f9458ea, 0xf7aef158}; /* 1 / 2 pi */
  edge_angle angle;
  if (x < 8388608.0f && x > -8388608.0f) {
    const double n = (double)x * 0.63661977236758134 + EDGE_TO_INT_F64 - EDGE_TO_INT_F64;
    angle.quarters = (uint32_t)(int32_t)n;
    angle.rest = (double)x - n * 1.570796325802803 - n * 9.920935774287987e-10 - n * 2.2517417741562176e-18;
    return angle;
  }
  const uint32_t bits = edge_bits_of_f32(x), e = ((bits >> 23) & 255u) - 150u; /* x = mantissa * 2^e, e: [0, 104] */
  const uint64_t mantissa = (bits & 0x7fffffu) | 0x800000u;
  const uint32_t *word = PER_TURN + e / 32u, skip = e % 32u;
  uint64_t turns = ((uint64_t)word[0] << 32 | word[1]) << skip;
  if (skip != 0) turns |= word[2] >> (32u - skip);
  const uint64_t low = ((((uint64_t)word[2] << 32) | word[3]) << skip) >> 32;
  uint64_t fraction = mantissa * turns + ((mantissa * low) >> 32);
  if (bits >> 31 != 0) fraction = 0u - fraction;
  const uint64_t rounded = fraction + (UINT64_C(1) << 61);
  angle.quarters = (uint32_t)(rounded >> 62);
  angle.rest = (double)(int64_t)(fraction - (rounded >> 62 << 62)) * 3.4061215800304255e-19; /* 2 pi / 2^64 */
  return angle;
}

/* sin and cos of at most an eighth of a turn, from their Taylor series. */
static inline double edge_sin_f64(double r) {
  const double r2 = r * r;
  double p = 1.0 / 6227020800.0;
  p = p * r2 - 1.0 / 39916800.0;
  p = p * r2 + 1.0 / 362880.0;
  p = p * r2 - 1.0 / 5040.0;
  p = p * r2 + 1.0 / 120.0;
  p = p * r2 - 1.0 / 6.0;
  return p * r2 * r + r;
}

static inline double edge_cos_f64(double r) {
  const double r2 = r * r;
  double p = -1.0 / 87178291200.0;
  p = p * r2 + 1.0 / 479001600.0;
  p = p * r2 - 1.0 / 3628800.0;
  p = p * r2 + 1.0 / 40320.0;
  p = p * r2 - 1.0 / 720.0;
  p = p * r2 + 1.0 / 24.0;
  p = p * r2 - 0.5;
  return p * r2 + 1.0;
}

/* sin(x + quarters / 4 of a turn); NaN for what is not finite. */
static inline float edge_sin_from(float x, uint32_t quarters) {
  if (!(x - x == 0.0f)) return __builtin_nanf("");
  const edge_angle angle = edge_reduce_angle(x);
  quarters += angle.quarters;
  const double y = (quarters & 1u) != 0 ? edge_cos_f64(angle.rest) : edge_sin_f64(angle.rest);
  return (float)((quarters & 2u) != 0 ? -y : y);
}

static inline float edge_sinf(float x) { return edge_sin_from(x, 0); }
static inline float edge_cosf(float x) { return edge_sin_from(x, 1); }

static inline float edge_tanhf(float x) {
  const double y = 1.0 - 2.0 / (edge_exp_f64(2.0 * (double)x) + 1.0);
  return x < 1e-4f && x > -1e-4f ? x : (float)y; /* below, x^3 / 3 is less than half a unit */
}

static inline float edge_expm1f(float x) {
  return x < 1e-4f && x > -1e-4f ? x + x * x * 0.5f : (float)(edge_exp_f64((double)x) - 1.0);
}

/* erfc(z) in float64, relative error below 2e-8.
 *
 * t = 1 / (1 + |z| / 2); t e^(P(s) - z^2), s = t in [1/7, 1] stretched to [-1, 1]; beyond |z| = 12 it is 0 in float32.
 */
static inline double edge_erfc_f64(double z) {
  static const double P[] = {-2.6850511482470316e-05, 7.694512186603979e-05,   0.0001366756778943181,
                             -0.0006808140257349838,  -0.00019150065539341325, 0.004309440913913662,
                             -0.0017679426624686468,  -0.0319055605280124,     0.019323905626712025,
                             0.5856020114748539,      -0.5748763051965454};
  const double magnitude = z < 0.0 ? -z : z, limited = magnitude < 12.0 ? magnitude : 12.0;
  const double t = 1.0 / (1.0 + 0.5 * limited), s = (t - 1.0 / 7.0) * (7.0 / 3.0) - 1.0;
  double p = P[0];
  for (int k = 1; k < 11; k++) p = p * s + P[k];
  const double tail = t * edge_exp_f64(p - limited * limited);
  return z == z ? (z < 0.0 ? 2.0 - tail : tail) : z;
}

/* atan in float64 for 0 <= t <= 1, error below 1e-10: the series, around 0 or, above tan(pi / 8), from pi / 4. */
static inline double edge_atan_f64(double t) {
  const int upper = t > 0.41421356237309503;
  const double z = upper ? (t - 1.0) / (t + 1.0) : t, z2 = z * z;
  double p = 1.0 / 21.0;
  for (int k = 9; k >= 1; k--) p = 1.0 / (2 * k + 1) - p * z2;
  return (upper ? 0.78539816339744828 : 0.0) + z - z * z2 * p;
}

/* The angle of (x, y), with C's answers for zeros and infinities. */
static inline float edge_atan2f(float y, float x) {
  if (x != x || y != y) return __builtin_nanf("");
  const double pi = 3.1415926535897931;
  const double ax = edge_abs_f64((double)x), ay = edge_abs_f64((double)y);
  const double least = ax < ay ? ax : ay, most = ax < ay ? ay : ax;
  const double ratio = most == 0.0 ? 0.0 : (least == most ? 1.0 : least / most);
  double angle = edge_atan_f64(ratio);
  if (ay > ax) angle = 0.5 * pi - angle;
  if (edge_bits_of_f32(x) >> 31 != 0) angle = pi - angle;
  return (float)(edge_bits_of_f32(y) >> 31 != 0 ? -angle : angle);
}

/* x^y, relative error below 1e-9; with C's answers for zeros, infinities and negative bases. */
static inline float edge_powf(float x, float y) {
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return __builtin_nanf("");
  const float size = y < 0.0f ? -y : y, base = x < 0.0f ? -x : x;
  const int whole = size >= 8388608.0f || (float)(int32_t)size == size;
  const int odd = whole && size < 16777216.0f && ((int32_t)size & 1) != 0;
  if (base == 1.0f && size - size != 0.0f) return 1.0f; /* (-1)^infinity */
  if (x < 0.0f && !whole && base - base == 0.0f) return __builtin_nanf("");
  const int negative = odd && edge_bits_of_f32(x) >> 31 != 0;
  const float result = (float)edge_exp_f64((double)y * edge_log_f64(base));
  return negative ? -result : result;
}

/* The rest of x / y with the sign of x, exact: long division of the mantissas, 40 bits a step. */
static inline float edge_fmodf(float x, float y) {
  const uint32_t a = edge_bits_of_f32(x) & 0x7fffffffu, b = edge_bits_of_f32(y) & 0x7fffffffu;
  if (b == 0 || a >= 0x7f800000u || b > 0x7f800000u) return __builtin_nanf("");
  if (a < b) return x;
  const uint32_t ea = a >> 23, eb = b >> 23;
  uint64_t rest = ea != 0 ? (a & 0x7fffffu) | 0x800000u : a;
  const uint64_t divisor = eb != 0 ? (b & 0x7fffffu) | 0x800000u : b;
  const uint32_t unit = eb != 0 ? eb : 1u; /* rest and divisor count 2^(unit - 150) in the end */
  for (uint32_t left = (ea != 0 ? ea : 1u) - unit, step; left != 0; left -= step) {
    step = left < 40u ? left : 40u;
    rest = (rest % divisor) << step;
  }
  rest %= divisor;
  const float scale = unit >= 24u ? edge_f32_of_bits((unit - 23u) << 23) : edge_f32_of_bits(1u << (unit - 1u));
  const float magnitude = (float)(int32_t)rest * scale;
  return edge_bits_of_f32(x) >> 31 != 0 ? -magnitude : magnitude;
}

/* Rounding in arithmetic that every instruction set has: from 2^23 on all floats are integers. NaN stays. */
static inline float edge_round_even_f32(float x) {
  const float size = x < 0.0f ? -x : x;
  const float whole = size + 8388608.0f - 8388608.0f;
  return size < 8388608.0f ? (x < 0.0f ? -whole : whole) : x;
}

static inline float edge_floor_f32(float x) {
  const float near = edge_round_even_f32(x);
  return near > x ? near - 1.0f : near;
}

static inline float edge_ceil_f32(float x) {
  const float near = edge_round_even_f32(x);
  return near < x ? near + 1.0f : near;
}

/* floor in float64. */
static inline double edge_floor_f64(double x) {
  const double size = edge_abs_f64(x);
  const double rounded = size + 4503599627370496.0 - 4503599627370496.0;
  const double near = size < 4503599627370496.0 ? (x < 0.0 ? -rounded : rounded) : x;
  return near > x ? near - 1.0 : near;
}

#endif
