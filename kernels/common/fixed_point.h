/* TFLite's fixed-point requantisation, scalar. The truth for every vector form.
 *
 * tensorflow/lite/kernels/internal/common.cc MultiplyByQuantizedMultiplier, double rounding.
 */
#ifndef EDGE_FIXED_POINT_H
#define EDGE_FIXED_POINT_H

#include <stdint.h>

static inline int32_t edge_clamp_s32(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : (x > high ? high : x);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TFLite does.
 * multiplier: [0, 2^31); shift: [-62, 31]. The left shift wraps at 32 bits as the reference does. */
static inline int32_t edge_mbqm(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  const int32_t shifted = left > 31 ? 0 : (int32_t)((uint32_t)x << left);
  const int64_t high = ((int64_t)shifted * multiplier + (INT64_C(1) << 30)) >> 31;
  if (right == 0) return (int32_t)high;
  return (int32_t)((high + (INT64_C(1) << (right - 1)) - (high < 0)) >> right);
}

/* The last step of most int8 kernels: clamp(MBQM(x) + zero_point). In 64 bits: a left shift may give any int32. */
static inline int8_t edge_requantize_s8(int32_t x, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low,
                                        int32_t high) {
  const int64_t y = (int64_t)edge_mbqm(x, multiplier, shift) + zero_point;
  return (int8_t)(y < low ? low : (y > high ? high : y));
}

/* NaN stays NaN, as in TFLite. */
static inline float edge_clamp_f32(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }

#endif
