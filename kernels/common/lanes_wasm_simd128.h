/* Vectors of 4 int32 in Wasm simd128; see lanes.h. */
#ifndef EDGE_LANES_WASM_SIMD128_H
#define EDGE_LANES_WASM_SIMD128_H

#include <wasm_simd128.h>

#include "lanes.h"

enum { EDGE_LANES = 4, EDGE_LANES_POWERS = 1 };
typedef v128_t edge_lanes;

typedef struct edge_lanes_scale {
  edge_lanes multiplier, left, right, round;
} edge_lanes_scale;

static inline edge_lanes edge_lanes_splat(int32_t x) { return wasm_i32x4_splat(x); }
static inline edge_lanes edge_lanes_load(const int32_t *from) { return wasm_v128_load(from); }
static inline edge_lanes edge_lanes_load_s8(const int8_t *from) {
  return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(from)));
}
static inline edge_lanes edge_lanes_add(edge_lanes a, edge_lanes b) { return wasm_i32x4_add(a, b); }
static inline edge_lanes edge_lanes_sub(edge_lanes a, edge_lanes b) { return wasm_i32x4_sub(a, b); }
#define edge_lanes_shl(x, count) wasm_i32x4_shl((x), (count))

/* Hides where x comes from. A widening multiplication is one instruction as long as the compiler sees both operands
 * widened beside it; it would rather move the widening of a constant operand out of the loop, and multiply 64 bits by
 * 64 bits inside, which costs three times as much. */
static inline edge_lanes edge_lanes_pinned(edge_lanes x) {
  __asm__ volatile("" : "+r"(x));
  return x;
}

/* (x * multiplier + 2^30) >> 31. */
static inline edge_lanes edge_lanes_high_mul(edge_lanes x, edge_lanes multiplier) {
  const v128_t half = wasm_i64x2_splat(INT64_C(1) << 30);
  const v128_t low = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(x, multiplier), half), 31);
  const v128_t high = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(x, multiplier), half), 31);
  return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
}

static inline edge_lanes edge_lanes_mbqm(edge_lanes x, edge_lanes_scale s) {
  const v128_t right = edge_lanes_pinned(s.right);
  const v128_t y = edge_lanes_high_mul(wasm_i32x4_mul(x, s.left), edge_lanes_pinned(s.multiplier));
  const v128_t sum = wasm_i32x4_add(wasm_i32x4_abs(y), s.round), negative = wasm_i32x4_shr(y, 31);
  const v128_t low = wasm_u64x2_shr(wasm_u64x2_extmul_low_u32x4(sum, right), 31);
  const v128_t high = wasm_u64x2_shr(wasm_u64x2_extmul_high_u32x4(sum, right), 31);
  const v128_t magnitude = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
  return wasm_i32x4_sub(wasm_v128_xor(magnitude, negative), negative);
}

/* edge_lanes_mbqm with edge_scale_fractions_of: f64[2 pairs of lanes] each. Adding 1.5 * 2^52 rounds to the nearest
 * integer and leaves it in the lower half of the lane. `positive`: negative results may be any that is not above 0. */
static inline v128_t edge_lanes_fraction(v128_t x, const double *factor, const double *up, const double *down,
                                         const int positive) {
  const v128_t product = wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(x), wasm_v128_load(factor));
  v128_t nudge = wasm_v128_load(up);
  if (!positive) {
    nudge = wasm_v128_bitselect(wasm_v128_load(down), nudge, wasm_f64x2_lt(product, wasm_f64x2_splat(0.0)));
  }
  return wasm_f64x2_add(wasm_f64x2_add(product, nudge), wasm_f64x2_splat(6755399441055744.0));
}

/* Lanes 0-3 of arrays of `lanes` channels that start at `factor`. */
static inline edge_lanes edge_lanes_mbqm_fractions(edge_lanes x, const double *factor, uint32_t lanes,
                                                   const int positive) {
  const double *up = factor + lanes, *down = up + lanes;
  const v128_t low = edge_lanes_fraction(x, factor, up, down, positive);
  const v128_t high = edge_lanes_fraction(wasm_i32x4_shuffle(x, x, 2, 3, 2, 3), factor + 2, up + 2, down + 2, positive);
  return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
}

/* zero_point in every int16, low and high in every byte. */
typedef struct edge_lanes_output {
  v128_t zero_point, low, high;
} edge_lanes_output;

static inline edge_lanes_output edge_lanes_output_of(int32_t zero_point, int32_t low, int32_t high) {
  const edge_lanes_output o = {wasm_i16x8_splat((int16_t)zero_point), wasm_i8x16_splat((int8_t)low),
                               wasm_i8x16_splat((int8_t)high)};
  return o;
}

/* Adds the zero point, clamps, and stores a then b: 8 bytes. The saturation never changes a value the clamp keeps. */
static inline void edge_lanes_store2_s8(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  const v128_t sums = wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(a, b), o.zero_point);
  const v128_t bytes = wasm_i8x16_narrow_i16x8(sums, sums);
  wasm_v128_store64_lane(to, wasm_i8x16_min(wasm_i8x16_max(bytes, o.low), o.high), 0);
}

/* 2 * EDGE_LANES int8 of a and b, widened, as pairs (a[i], b[i]) of int16, and what gives each pair's sum of products
 * with a pair of weights. */
static inline void edge_lanes_weave(const int8_t *a, const int8_t *b, edge_lanes pairs[2]) {
  const v128_t x = wasm_i16x8_load8x8(a), y = wasm_i16x8_load8x8(b);
  pairs[0] = wasm_i16x8_shuffle(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
  pairs[1] = wasm_i16x8_shuffle(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
}
static inline edge_lanes edge_lanes_dot(edge_lanes pairs, edge_lanes weights) {
  return wasm_i32x4_dot_i16x8(pairs, weights);
}
static inline void edge_lanes_store2_woven(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  edge_lanes_store2_s8(to, a, b, o);
}

static inline edge_lanes edge_lanes_and(edge_lanes a, edge_lanes b) { return wasm_v128_and(a, b); }
static inline edge_lanes edge_lanes_or(edge_lanes a, edge_lanes b) { return wasm_v128_or(a, b); }
static inline edge_lanes edge_lanes_less(edge_lanes a, edge_lanes b) { return wasm_i32x4_lt(a, b); }
static inline int edge_lanes_any(edge_lanes x) { return wasm_v128_any_true(x); }

/* Arithmetic shift right by a count of all lanes. */
typedef uint32_t edge_lanes_count;
static inline edge_lanes_count edge_lanes_count_of(int count) { return (uint32_t)count; }
static inline edge_lanes edge_lanes_shr(edge_lanes x, edge_lanes_count count) { return wasm_i32x4_shr(x, count); }

/* EDGE_LANES floats. */
typedef v128_t edge_reals;
static inline edge_reals edge_reals_splat(float x) { return wasm_f32x4_splat(x); }
static inline edge_reals edge_reals_load(const void *from) { return wasm_v128_load(from); }
static inline void edge_reals_store(void *to, edge_reals x) { wasm_v128_store(to, x); }
static inline edge_reals edge_reals_add(edge_reals a, edge_reals b) { return wasm_f32x4_add(a, b); }
/* x < low ? low : x, and so on: these forms keep a NaN and are one instruction each. */
static inline edge_reals edge_reals_clamp(edge_reals x, edge_reals low, edge_reals high) {
  return wasm_f32x4_pmin(wasm_f32x4_pmax(x, low), high);
}

#include "lanes_scale.h"

#endif
