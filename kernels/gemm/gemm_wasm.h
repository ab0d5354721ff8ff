/* What the two Wasm variants share: from int32 sums to int8 outputs. */
#ifndef EDGE_GEMM_WASM_H
#define EDGE_GEMM_WASM_H

#include <wasm_simd128.h>

#include "gemm_tile.h"
#include "requantize.h"

#define NR 8

EDGE_INLINE v128_t edge_words(const uint8_t *tile, uint32_t word, int half) {
  return wasm_v128_load(edge_tile_words(tile, word, NR) + 4 * half);
}

/* (x * y + 2^(bits - 1)) >> bits in 64 bits, by lane; the low 32 bits. */
EDGE_INLINE v128_t edge_multiply_shift(v128_t x, v128_t y, const int bits) {
  const v128_t half = wasm_i64x2_splat(INT64_C(1) << (bits - 1));
  const v128_t low = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(x, y), half), bits);
  const v128_t high = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(x, y), half), bits);
  return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
}

/* edge_mbqm by lane, for shifts -30 .. 0. Wasm cannot shift each lane by its own count: the rounding shift right by e
 * is a product with 2^(30 - e), shifted by 30. */
EDGE_INLINE v128_t edge_mbqm_x4(v128_t acc, const uint8_t *tile, int half) {
  const v128_t high = edge_multiply_shift(acc, edge_words(tile, EDGE_TILE_MULTIPLIER, half), 31);
  const v128_t sign = wasm_v128_and(wasm_i32x4_shr(high, 31), edge_words(tile, EDGE_TILE_SIGN, half));
  return edge_multiply_shift(wasm_i32x4_add(high, sign), edge_words(tile, EDGE_TILE_POWER, half), 30);
}

/* The same for any shift, for tiles that are marked EDGE_TILE_SCALAR. */
EDGE_INLINE v128_t edge_mbqm_scalar(v128_t acc, const uint8_t *tile, int half) {
  int32_t lanes[4];
  wasm_v128_store(lanes, acc);
  for (uint32_t i = 0; i < 4; i++) {
    lanes[i] = edge_tile_mbqm((const int32_t *)(const void *)tile, NR, 4u * (uint32_t)half + i, lanes[i]);
  }
  return wasm_v128_load(lanes);
}

/* Two lanes of the low half of acc, in the low half of the result. */
EDGE_INLINE v128_t edge_round_f64_x2(v128_t acc, const double *scale, v128_t low, v128_t high) {
  v128_t x = wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(acc), wasm_v128_load(scale));
  x = wasm_f64x2_pmin(wasm_f64x2_pmax(x, low), high);
  const v128_t half = wasm_v128_or(wasm_v128_and(x, wasm_f64x2_splat(-0.0)), wasm_f64x2_splat(EDGE_HALF_BELOW));
  return wasm_i32x4_trunc_sat_f64x2_zero(wasm_f64x2_add(x, half));
}

EDGE_INLINE v128_t edge_round_f64_x4(const edge_gemm_task *task, v128_t acc, const uint8_t *tile, int half) {
  const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR) + 4 * half;
  const v128_t low = wasm_f64x2_splat(task->act_min.i - task->zero_point);
  const v128_t high = wasm_f64x2_splat(task->act_max.i - task->zero_point);
  const v128_t first = edge_round_f64_x2(acc, scale, low, high);
  const v128_t second = edge_round_f64_x2(wasm_i32x4_shuffle(acc, acc, 2, 3, 2, 3), scale + 2, low, high);
  return wasm_i64x2_shuffle(first, second, 0, 2);
}

/* Adds the zero point, clamps and stores 8 outputs. Saturation on the way never hides what the clamp would change. */
EDGE_INLINE void edge_store_s8(const edge_gemm_task *task, v128_t first, v128_t second, int8_t *output) {
  const v128_t sum =
      wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(first, second), wasm_i16x8_splat((int16_t)task->zero_point));
  const v128_t bytes = wasm_i8x16_max(wasm_i8x16_narrow_i16x8(sum, sum), wasm_i8x16_splat((int8_t)task->act_min.i));
  wasm_v128_store64_lane(output, wasm_i8x16_min(bytes, wasm_i8x16_splat((int8_t)task->act_max.i)), 0);
}

enum { EDGE_AS_MBQM, EDGE_AS_MBQM_SCALAR, EDGE_AS_F64 };

EDGE_INLINE v128_t edge_requantize_x4(const edge_gemm_task *task, v128_t acc, const uint8_t *tile, int half,
                                      const int as) {
  if (as == EDGE_AS_F64) return edge_round_f64_x4(task, acc, tile, half);
  return as == EDGE_AS_MBQM ? edge_mbqm_x4(acc, tile, half) : edge_mbqm_scalar(acc, tile, half);
}

/* The sums of mr rows to outputs. */
EDGE_INLINE void edge_store_tile_s8(const edge_gemm_task *task, v128_t acc[4][2], const uint8_t *tile, int8_t *output,
                                    const int mr, const int as) {
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    edge_store_s8(task, edge_requantize_x4(task, acc[r][0], tile, 0, as),
                  edge_requantize_x4(task, acc[r][1], tile, 1, as), output + r * task->output_stride);
  }
}

/* Which epilogue a tile takes. */
EDGE_INLINE int edge_epilogue_of(const edge_gemm_task *task, const uint8_t *tile) {
  if (task->epilogue == EDGE_GEMM_F64) return EDGE_AS_F64;
  return *edge_tile_words(tile, EDGE_TILE_SCALAR, NR) != 0 ? EDGE_AS_MBQM_SCALAR : EDGE_AS_MBQM;
}

#endif
