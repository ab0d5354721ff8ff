/* Vectors of 4 int32 in NEON; see lanes.h. */
#ifndef EDGE_LANES_NEON_H
#define EDGE_LANES_NEON_H

#include <arm_neon.h>

#include "lanes.h"

enum { EDGE_LANES = 4, EDGE_LANES_POWERS = 0 };
typedef int32x4_t edge_lanes;

typedef struct edge_lanes_scale {
  edge_lanes multiplier, left, right, round;
} edge_lanes_scale;

static inline edge_lanes edge_lanes_splat(int32_t x) { return vdupq_n_s32(x); }
static inline edge_lanes edge_lanes_load(const int32_t *from) { return vld1q_s32(from); }
static inline edge_lanes edge_lanes_load_s8(const int8_t *from) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, from, 4);
  return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(bytes)))));
}
static inline edge_lanes edge_lanes_add(edge_lanes a, edge_lanes b) { return vaddq_s32(a, b); }
static inline edge_lanes edge_lanes_sub(edge_lanes a, edge_lanes b) { return vsubq_s32(a, b); }
#define edge_lanes_shl(x, count) vshlq_n_s32((x), (count))

/* vqrdmulh saturates for INT32_MIN squared only, and a multiplier is never negative. vrshl rounds half up: one less
 * for negative values makes it half away from zero, without overflow because y > INT32_MIN. */
static inline edge_lanes edge_lanes_mbqm(edge_lanes x, edge_lanes_scale s) {
  const int32x4_t right = vnegq_s32(s.right);
  const int32x4_t y = vqrdmulhq_s32(vshlq_s32(x, s.left), s.multiplier);
  return vrshlq_s32(vaddq_s32(y, vshrq_n_s32(vandq_s32(y, right), 31)), right);
}

/* zero_point in every int16, low and high in every byte. */
typedef struct edge_lanes_output {
  int16x8_t zero_point;
  int8x8_t low, high;
} edge_lanes_output;

static inline edge_lanes_output edge_lanes_output_of(int32_t zero_point, int32_t low, int32_t high) {
  const edge_lanes_output o = {vdupq_n_s16((int16_t)zero_point), vdup_n_s8((int8_t)low), vdup_n_s8((int8_t)high)};
  return o;
}

/* Adds the zero point, clamps, and stores a then b: 8 bytes. The saturation never changes a value the clamp keeps. */
static inline void edge_lanes_store2_s8(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  const int16x8_t sums = vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), o.zero_point);
  vst1_s8(to, vmin_s8(o.high, vmax_s8(o.low, vqmovn_s16(sums))));
}

/* 2 * EDGE_LANES int8 of a and b, widened, as pairs (a[i], b[i]) of int16, and what gives each pair's sum of products
 * with a pair of weights. */
static inline void edge_lanes_weave(const int8_t *a, const int8_t *b, edge_lanes pairs[2]) {
  const int16x8_t x = vmovl_s8(vld1_s8(a)), y = vmovl_s8(vld1_s8(b));
  pairs[0] = vreinterpretq_s32_s16(vzip1q_s16(x, y));
  pairs[1] = vreinterpretq_s32_s16(vzip2q_s16(x, y));
}
static inline edge_lanes edge_lanes_dot(edge_lanes pairs, edge_lanes weights) {
  const int16x8_t x = vreinterpretq_s16_s32(pairs), w = vreinterpretq_s16_s32(weights);
  return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(w)), vmull_high_s16(x, w));
}
static inline void edge_lanes_store2_woven(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  edge_lanes_store2_s8(to, a, b, o);
}

static inline edge_lanes edge_lanes_and(edge_lanes a, edge_lanes b) { return vandq_s32(a, b); }
static inline edge_lanes edge_lanes_or(edge_lanes a, edge_lanes b) { return vorrq_s32(a, b); }
static inline edge_lanes edge_lanes_less(edge_lanes a, edge_lanes b) { return vreinterpretq_s32_u32(vcltq_s32(a, b)); }
static inline int edge_lanes_any(edge_lanes x) { return vmaxvq_u32(vreinterpretq_u32_s32(x)) != 0; }

/* Arithmetic shift right by a count of all lanes. */
typedef int32x4_t edge_lanes_count;
static inline edge_lanes_count edge_lanes_count_of(int count) { return vdupq_n_s32(-count); }
static inline edge_lanes edge_lanes_shr(edge_lanes x, edge_lanes_count count) { return vshlq_s32(x, count); }

/* EDGE_LANES floats. */
typedef float32x4_t edge_reals;
static inline edge_reals edge_reals_splat(float x) { return vdupq_n_f32(x); }
static inline edge_reals edge_reals_load(const void *from) { return vld1q_f32((const float *)from); }
static inline void edge_reals_store(void *to, edge_reals x) { vst1q_f32((float *)to, x); }
static inline edge_reals edge_reals_add(edge_reals a, edge_reals b) { return vaddq_f32(a, b); }
static inline edge_reals edge_reals_clamp(edge_reals x, edge_reals low, edge_reals high) {
  return vminq_f32(vmaxq_f32(x, low), high); /* both give NaN for a NaN */
}

#include "lanes_scale.h"

#endif
