/* GEMM for Wasm simd128: int8 widened to int16, products of pairs by i32x4.dot_i16x8_s, which is exact.
 *
 * 4 rows x 8 channels: 8 sums, 4 registers of A and 4 of B fit the 16 registers of x86-64. Cranelift loads first and
 * computes last, so a turn of the loop takes no more of k than there are registers for all its loads.
 */
#include "../common/madd_wasm.h"
#include "gemm_wasm.h"

/* ---- int8 ---- */

EDGE_INLINE void widen(int16_t *to, const int8_t *from, uint32_t count) {
  if (count >= 8) {
    for (uint32_t i = 0; i + 8 < count; i += 8) wasm_v128_store(to + i, wasm_i16x8_load8x8(from + i));
    wasm_v128_store(to + count - 8, wasm_i16x8_load8x8(from + count - 8)); /* overlaps the last step */
    return;
  }
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

static void copy_s16(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    widen((int16_t *)(void *)((uint8_t *)panel + run * panel_stride), (const int8_t *)source + run * source_stride,
          count);
  }
}

/* A multiple of 4 elements. */
static int32_t sum_s16(const void *panel, uint32_t count) {
  v128_t sums = wasm_i32x4_splat(0);
  for (uint32_t i = 0; i < count; i += 4) {
    const v128_t x = wasm_v128_load64_zero((const int16_t *)panel + i);
    sums = wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(x, wasm_i16x8_splat(1)));
  }
  return edge_sum_lanes(sums);
}

/* Two of k: lane pair i of A by weights [8][2]. */
#define STEP(i)                                                                                             \
  do {                                                                                                      \
    const v128_t b0 = wasm_i16x8_load8x8(b[j] + 16u * (i)), b1 = wasm_i16x8_load8x8(b[j] + 16u * (i) + 8u); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                                              \
      const v128_t pair = wasm_i32x4_shuffle(x[r], x[r], i, i, i, i);                                       \
      acc[r][2 * j] = wasm_i32x4_add(acc[r][2 * j], wasm_i32x4_dot_i16x8(pair, b0));                        \
      acc[r][2 * j + 1] = wasm_i32x4_add(acc[r][2 * j + 1], wasm_i32x4_dot_i16x8(pair, b1));                \
    }                                                                                                       \
  } while (0)

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                         int8_t *output, const int mr, const int nt, const int as) {
  const uint8_t *row[4], *b[2];
  v128_t acc[4][4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    const uint8_t *tile = tiles + j * task->tile_bytes;
    b[j] = tile + EDGE_TILE_HEADER(NR);
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      acc[r][2 * j] = edge_words(tile, EDGE_TILE_BIAS, 0);
      acc[r][2 * j + 1] = edge_words(tile, EDGE_TILE_BIAS, 1);
    }
  }
  if (terms != NULL) edge_add_terms(acc, terms, mr, 2 * nt);
  for (uint32_t s = 0; s < task->segments; s++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) row[r] = a + r * task->panel_stride + task->segment[s];
    _Pragma("clang loop unroll(disable)") for (uint32_t k = task->k; k != 0; k -= 4) {
      v128_t x[4];
      EDGE_UNROLL for (int r = 0; r < mr; r++, row[r - 1] += 8) x[r] = wasm_v128_load64_zero(row[r]);
      EDGE_UNROLL for (int j = 0; j < nt; j++) {
        b[j] = edge_opaque(b[j]);
        STEP(0);
        STEP(1);
        b[j] += 4 * NR;
      }
    }
  }
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    edge_store_tile_s8(task, acc, 2 * j, tiles + j * task->tile_bytes, output + j * NR, mr, as);
  }
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output) {
  edge_run_s8(tile_s8, task, panel, rows, packed, tiles, output);
}

const edge_gemm edge_qs8_gemm__wasm_simd128 = {
    .name = "edge_qs8_gemm__wasm_simd128_4x8",
    .panel = EDGE_PANEL_S16,
    .mr = 4,
    .nr = NR,
    .kr = 2,
    .k_step = 4,
    .max_panel_rows = 8,
    .segmented = 1,
    .copy = copy_s16,
    .sum = sum_s16,
    .run = run_s8,
};

/* ---- f32 ---- */

static void copy_f32(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    const float *from = (const float *)(const void *)((const uint8_t *)source + run * source_stride);
    float *to = (float *)(void *)((uint8_t *)panel + run * panel_stride);
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) wasm_v128_store(to + i, wasm_v128_load(from + i));
    for (; i < count; i++) to[i] = from[i];
  }
}

/* One of k: lane i of A by weights [8]. */
#define STEP_F32(i)                                                                                  \
  do {                                                                                               \
    const v128_t b0 = wasm_v128_load(b[j] + 32u * (i)), b1 = wasm_v128_load(b[j] + 32u * (i) + 16u); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                                       \
      const v128_t one = wasm_i32x4_shuffle(x[r], x[r], i, i, i, i);                                 \
      acc[r][2 * j] = edge_madd(acc[r][2 * j], one, b0);                                             \
      acc[r][2 * j + 1] = edge_madd(acc[r][2 * j + 1], one, b1);                                     \
    }                                                                                                \
  } while (0)

EDGE_INLINE void tile_f32(const edge_gemm_task *task, const uint8_t *a, const uint8_t *tiles, uint8_t *output,
                          const int mr, const int nt) {
  const uint8_t *row[4], *b[2];
  v128_t acc[4][4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    const uint8_t *tile = tiles + j * task->tile_bytes;
    b[j] = tile + 4 * NR;
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      acc[r][2 * j] = wasm_v128_load(tile);
      acc[r][2 * j + 1] = wasm_v128_load(tile + 16);
    }
  }
  for (uint32_t s = 0; s < task->segments; s++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) row[r] = a + r * task->panel_stride + task->segment[s];
    _Pragma("clang loop unroll(disable)") for (uint32_t k = task->k; k != 0; k -= 2) {
      v128_t x[4];
      EDGE_UNROLL for (int r = 0; r < mr; r++, row[r - 1] += 8) x[r] = wasm_v128_load64_zero(row[r]);
      EDGE_UNROLL for (int j = 0; j < nt; j++) {
        b[j] = edge_opaque(b[j]);
        STEP_F32(0);
        STEP_F32(1);
        b[j] += 8 * NR;
      }
    }
  }
  const v128_t low = wasm_f32x4_splat(task->act_min.f), high = wasm_f32x4_splat(task->act_max.f);
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    EDGE_UNROLL for (int h = 0; h < 2 * nt; h++) {
      const v128_t y = wasm_f32x4_pmin(wasm_f32x4_pmax(acc[r][h], low), high); /* in this order a NaN stays one */
      wasm_v128_store(output + r * task->output_stride + 16 * h, y);
    }
  }
}

static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  const uint8_t *tile = packed;
  uint8_t *to = output;
  for (; rows == 1 && tiles >= 2; tiles -= 2, tile += 2 * task->tile_bytes, to += 2 * 4 * NR) {
    tile_f32(task, panel, tile, to, 1, 2);
  }
  for (; tiles != 0; tiles--, tile += task->tile_bytes, to += 4 * NR) {
    const uint8_t *a = panel;
    uint8_t *at = to;
    uint32_t left = rows;
    for (; left >= 4; left -= 4, a += 4 * task->panel_stride, at += 4 * task->output_stride) {
      tile_f32(task, a, tile, at, 4, 1);
    }
    for (; left >= 1; left -= 1, a += task->panel_stride, at += task->output_stride) tile_f32(task, a, tile, at, 1, 1);
  }
}

const edge_gemm edge_f32_gemm__wasm_simd128 = {
    .name = "edge_f32_gemm__wasm_simd128_4x8",
    .panel = EDGE_PANEL_F32,
    .mr = 4,
    .nr = NR,
    .kr = 1,
    .k_step = 2,
    .max_panel_rows = 8,
    .segmented = 1,
    .copy = copy_f32,
    .run = run_f32,
};
