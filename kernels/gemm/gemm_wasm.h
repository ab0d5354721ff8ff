/* What the two Wasm variants share: from int32 sums to int8 outputs. */
#ifndef EDGE_GEMM_WASM_H
#define EDGE_GEMM_WASM_H

#include <wasm_simd128.h>

#include "gemm_tile.h"
#include "requantize.h"

#define NR 8

/* Hides where a pointer comes from. The loop optimiser would otherwise take the constant offsets of the loads apart,
 * and each would become an addition. */
EDGE_INLINE const uint8_t *edge_opaque(const uint8_t *p) {
  __asm__("" : "+r"(p));
  return p;
}

EDGE_INLINE v128_t edge_words(const uint8_t *tile, uint32_t word, int half) {
  return wasm_v128_load(edge_tile_words(tile, word, NR) + 4 * half);
}

EDGE_INLINE int32_t edge_sum_lanes(v128_t x) {
  return wasm_i32x4_extract_lane(x, 0) + wasm_i32x4_extract_lane(x, 1) + wasm_i32x4_extract_lane(x, 2) +
         wasm_i32x4_extract_lane(x, 3);
}

/* Adds each row's term to its sums, `columns` registers of them. */
EDGE_INLINE void edge_add_terms(v128_t acc[4][4], const int32_t *terms, const int mr, const int columns) {
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const v128_t term = wasm_i32x4_splat(terms[r]);
    EDGE_UNROLL for (int h = 0; h < columns; h++) acc[r][h] = wasm_i32x4_add(acc[r][h], term);
  }
}

/* (x * y + 2^(bits - 1)) >> bits in 64 bits, by lane; the low 32 bits. */
EDGE_INLINE v128_t edge_multiply_shift(v128_t x, v128_t y, const int bits) {
  const v128_t half = wasm_i64x2_splat(INT64_C(1) << (bits - 1));
  const v128_t low = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(x, y), half), bits);
  const v128_t high = wasm_u64x2_shr(wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(x, y), half), bits);
  return wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
}

/* Forms of the epilogue. Wasm cannot shift each lane by its own count.
 *
 *   EDGE_AS_RELU      act_min >= zero_point, not EDGE_TILE_LARGE: a negative sum counts as 0. With the multiplier
 * doubled the upper half of x * 2m + 2^31 is the first rounding; 2^(e - 1) is added, and the upper half of the product
 * with 2^(32 - e) is the second. EDGE_AS_RELU_ONE  the same where e is the same in all lanes: a shift. EDGE_AS_MBQM
 * shifts -30 .. 0: the rounding shift right by e is a product with 2^(30 - e), shifted by 30. EDGE_AS_SCALAR    tiles
 * that are marked EDGE_TILE_SCALAR.
 */
enum { EDGE_AS_MBQM, EDGE_AS_SCALAR, EDGE_AS_RELU, EDGE_AS_RELU_ONE, EDGE_AS_F64 };

/* The constants of a tile's epilogue: loaded before the first store, which could alias them. */
typedef struct edge_finish {
  const int32_t *words;
  v128_t multiplier[2], sign[2], power[2], half[2]; /* MBQM, RELU */
  uint32_t right;                                   /* RELU_ONE */
  v128_t scale[4], low, high;                       /* F64; the bounds are without the zero point */
  v128_t zero_point, act_min, act_max;
} edge_finish;

EDGE_INLINE int edge_is_relu(const int as) { return as == EDGE_AS_RELU || as == EDGE_AS_RELU_ONE; }

EDGE_INLINE edge_finish edge_finish_of(const edge_gemm_task *task, const uint8_t *tile, const int as) {
  edge_finish f = {.words = (const int32_t *)(const void *)tile};
  f.zero_point = wasm_i16x8_splat((int16_t)task->zero_point);
  f.act_min = wasm_i8x16_splat((int8_t)task->act_min.i);
  f.act_max = wasm_i8x16_splat((int8_t)task->act_max.i);
  if (as == EDGE_AS_F64) {
    const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR);
    EDGE_UNROLL for (int i = 0; i < 4; i++) f.scale[i] = wasm_v128_load(scale + 2 * i);
    f.low = wasm_f64x2_splat(task->act_min.i - task->zero_point);
    f.high = wasm_f64x2_splat(task->act_max.i - task->zero_point);
    return f;
  }
  f.right = (uint32_t)f.words[EDGE_TILE_RIGHT * NR];
  EDGE_UNROLL for (int half = 0; half < 2; half++) {
    f.multiplier[half] = edge_words(tile, EDGE_TILE_MULTIPLIER, half);
    f.sign[half] = edge_words(tile, EDGE_TILE_SIGN, half);
    f.power[half] = edge_words(tile, EDGE_TILE_POWER, half);
    f.half[half] = edge_words(tile, EDGE_TILE_HALF, half);
    if (edge_is_relu(as)) {
      f.multiplier[half] = wasm_i32x4_shl(f.multiplier[half], 1);
      f.power[half] = wasm_i32x4_shl(f.power[half], 2);
    }
  }
  return f;
}

EDGE_INLINE v128_t edge_mbqm_x4(v128_t acc, const edge_finish *f, int half) {
  const v128_t high = edge_multiply_shift(acc, f->multiplier[half], 31);
  const v128_t sign = wasm_v128_and(wasm_i32x4_shr(high, 31), f->sign[half]);
  return edge_multiply_shift(wasm_i32x4_add(high, sign), f->power[half], 30);
}

EDGE_INLINE v128_t edge_relu_x4(v128_t acc, const edge_finish *f, int half, const int as) {
  const v128_t x = wasm_i32x4_max(acc, wasm_i32x4_splat(0)), up = wasm_i64x2_splat(INT64_C(1) << 31);
  const v128_t low = wasm_i64x2_add(wasm_u64x2_extmul_low_u32x4(x, f->multiplier[half]), up);
  const v128_t high = wasm_i64x2_add(wasm_u64x2_extmul_high_u32x4(x, f->multiplier[half]), up);
  const v128_t y = wasm_i32x4_add(wasm_i32x4_shuffle(low, high, 1, 3, 5, 7), f->half[half]);
  if (as == EDGE_AS_RELU_ONE) return wasm_u32x4_shr(y, f->right);
  return wasm_i32x4_shuffle(wasm_u64x2_extmul_low_u32x4(y, f->power[half]),
                            wasm_u64x2_extmul_high_u32x4(y, f->power[half]), 1, 3, 5, 7);
}

EDGE_INLINE v128_t edge_mbqm_scalar(v128_t acc, const edge_finish *f, int half) {
  int32_t lanes[4];
  wasm_v128_store(lanes, acc);
  for (uint32_t i = 0; i < 4; i++) lanes[i] = edge_tile_mbqm(f->words, NR, 4u * (uint32_t)half + i, lanes[i]);
  return wasm_v128_load(lanes);
}

/* Two lanes of the low half of acc, in the low half of the result. */
EDGE_INLINE v128_t edge_round_f64_x2(v128_t acc, v128_t scale, const edge_finish *f) {
  const v128_t product = wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(acc), scale);
  const v128_t x = wasm_f64x2_pmin(wasm_f64x2_pmax(product, f->low), f->high);
  const v128_t half = wasm_v128_or(wasm_v128_and(x, wasm_f64x2_splat(-0.0)), wasm_f64x2_splat(EDGE_HALF_BELOW));
  return wasm_i32x4_trunc_sat_f64x2_zero(wasm_f64x2_add(x, half));
}

EDGE_INLINE v128_t edge_requantize_x4(v128_t acc, const edge_finish *f, int half, const int as) {
  if (as == EDGE_AS_MBQM) return edge_mbqm_x4(acc, f, half);
  if (as == EDGE_AS_SCALAR) return edge_mbqm_scalar(acc, f, half);
  if (edge_is_relu(as)) return edge_relu_x4(acc, f, half, as);
  const v128_t first = edge_round_f64_x2(acc, f->scale[2 * half], f);
  const v128_t second = edge_round_f64_x2(wasm_i32x4_shuffle(acc, acc, 2, 3, 2, 3), f->scale[2 * half + 1], f);
  return wasm_i64x2_shuffle(first, second, 0, 2);
}

/* The sums of mr rows, columns j and j + 1 of acc, to outputs. Saturation on the way never hides what the clamp would
 * change. */
EDGE_INLINE void edge_store_tile_s8(const edge_gemm_task *task, v128_t acc[4][4], const int j, const uint8_t *tile,
                                    int8_t *output, const int mr, const int as) {
  const edge_finish f = edge_finish_of(task, tile, as);
  const size_t stride = task->output_stride;
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const v128_t y =
        wasm_i16x8_narrow_i32x4(edge_requantize_x4(acc[r][j], &f, 0, as), edge_requantize_x4(acc[r][j + 1], &f, 1, as));
    const v128_t sum = wasm_i16x8_add_sat(y, f.zero_point);
    const v128_t bytes = wasm_i8x16_max(wasm_i8x16_narrow_i16x8(sum, sum), f.act_min);
    wasm_v128_store64_lane(output + r * stride, wasm_i8x16_min(bytes, f.act_max), 0);
  }
}

/* Whether any of `count` tiles is marked with a word. */
EDGE_INLINE int edge_marked(const edge_gemm_task *task, const uint8_t *tiles, const int count, uint32_t word) {
  int32_t marked = 0;
  for (int j = 0; j < count; j++) marked |= *edge_tile_words(tiles + j * task->tile_bytes, word, NR);
  return marked != 0;
}

/* Whether the tile shifts all its lanes alike. */
EDGE_INLINE int edge_one_shift(const uint8_t *tile) {
  const v128_t right = wasm_i32x4_splat(*edge_tile_words(tile, EDGE_TILE_RIGHT, NR));
  return wasm_i32x4_all_true(wasm_i32x4_eq(edge_words(tile, EDGE_TILE_RIGHT, 0), right)) &&
         wasm_i32x4_all_true(wasm_i32x4_eq(edge_words(tile, EDGE_TILE_RIGHT, 1), right));
}

/* Which epilogue serves `count` tiles. */
EDGE_INLINE int edge_epilogue_of(const edge_gemm_task *task, const uint8_t *tiles, const int count) {
  if (task->epilogue == EDGE_GEMM_F64) return EDGE_AS_F64;
  if (task->act_min.i >= task->zero_point && !edge_marked(task, tiles, count, EDGE_TILE_LARGE)) {
    for (int j = 0; j < count; j++) {
      if (!edge_one_shift(tiles + j * task->tile_bytes)) return EDGE_AS_RELU;
    }
    return EDGE_AS_RELU_ONE;
  }
  return edge_marked(task, tiles, count, EDGE_TILE_SCALAR) ? EDGE_AS_SCALAR : EDGE_AS_MBQM;
}

/* A variant's body: the sums of mr rows x nt tiles, stored through the epilogue `as`. */
typedef void edge_tile_body(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                            int8_t *output, int mr, int nt, int as);

EDGE_INLINE void edge_rows(edge_tile_body *body, const edge_gemm_task *task, const uint8_t *a, uint32_t rows,
                           const uint8_t *tile, int8_t *output, const int as) {
  uint32_t row = 0;
  for (; rows - row >= 4; row += 4, a += 4 * task->panel_stride, output += 4 * task->output_stride) {
    body(task, a, edge_row_terms(task, row), tile, output, 4, 1, as);
  }
  for (; row < rows; row += 1, a += task->panel_stride, output += task->output_stride) {
    body(task, a, edge_row_terms(task, row), tile, output, 1, 1, as);
  }
}

/* All rows by `nt` tiles. A single row takes two tiles, or its sums would wait for each other. */
EDGE_INLINE void edge_tiles_s8(edge_tile_body *body, const edge_gemm_task *task, const uint8_t *a, uint32_t rows,
                               const uint8_t *tiles, int8_t *output, const int nt, const int as) {
  if (nt == 2) {
    body(task, a, task->row_terms, tiles, output, 1, 2, as);
  } else {
    edge_rows(body, task, a, rows, tiles, output, as);
  }
}

EDGE_INLINE void edge_run_tiles_s8(edge_tile_body *body, const edge_gemm_task *task, const uint8_t *a, uint32_t rows,
                                   const uint8_t *tiles, int8_t *output, const int nt) {
  switch (edge_epilogue_of(task, tiles, nt)) {
    case EDGE_AS_RELU_ONE:
      edge_tiles_s8(body, task, a, rows, tiles, output, nt, EDGE_AS_RELU_ONE);
      break;
    case EDGE_AS_RELU:
      edge_tiles_s8(body, task, a, rows, tiles, output, nt, EDGE_AS_RELU);
      break;
    case EDGE_AS_MBQM:
      edge_tiles_s8(body, task, a, rows, tiles, output, nt, EDGE_AS_MBQM);
      break;
    case EDGE_AS_SCALAR:
      edge_tiles_s8(body, task, a, rows, tiles, output, nt, EDGE_AS_SCALAR);
      break;
    default:
      edge_tiles_s8(body, task, a, rows, tiles, output, nt, EDGE_AS_F64);
  }
}

EDGE_INLINE void edge_run_s8(edge_tile_body *body, const edge_gemm_task *task, const uint8_t *a, uint32_t rows,
                             const uint8_t *tiles, uint32_t count, int8_t *output) {
  for (; rows == 1 && count >= 2; count -= 2, tiles += 2 * task->tile_bytes, output += 2 * NR) {
    edge_run_tiles_s8(body, task, a, rows, tiles, output, 2);
  }
  for (; count != 0; count--, tiles += task->tile_bytes, output += NR) {
    edge_run_tiles_s8(body, task, a, rows, tiles, output, 1);
  }
}

#endif
