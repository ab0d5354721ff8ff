/* GEMM for Wasm simd128: int8 widened to int16, products of pairs by i32x4.dot_i16x8_s, which is exact.
 *
 * 4 rows x 8 channels: 8 sums, 4 registers of A and 3 more fit the 16 registers of x86-64 under Cranelift. One turn
 * of the loop takes 8 of k, so that the epoch check at its head costs nothing.
 */
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

/* Two of k: lane pair j of A by weights [8][2]. */
#define STEP(j)                                                                      \
  do {                                                                               \
    const v128_t b0 = wasm_i16x8_load8x8(b + 16u * (j)), b1 = wasm_i16x8_load8x8(b + 16u * (j) + 8u); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                       \
      const v128_t pair = wasm_i32x4_shuffle(x[r], x[r], j, j, j, j);                \
      acc[r][0] = wasm_i32x4_add(acc[r][0], wasm_i32x4_dot_i16x8(pair, b0));         \
      acc[r][1] = wasm_i32x4_add(acc[r][1], wasm_i32x4_dot_i16x8(pair, b1));         \
    }                                                                                \
  } while (0)

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const uint8_t *tile, int8_t *output,
                         const int mr, const int as) {
  v128_t acc[4][2];
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    acc[r][0] = edge_words(tile, EDGE_TILE_BIAS, 0);
    acc[r][1] = edge_words(tile, EDGE_TILE_BIAS, 1);
  }
  const uint8_t *b = tile + EDGE_TILE_HEADER(NR);
  for (uint32_t k = 0; k < task->k; k += 8, b += 8 * NR) {
    v128_t x[4];
    EDGE_UNROLL for (int r = 0; r < mr; r++) x[r] = wasm_v128_load(a + r * task->panel_stride + 2 * k);
    STEP(0);
    STEP(1);
    STEP(2);
    STEP(3);
  }
  edge_store_tile_s8(task, acc, tile, output, mr, as);
}

EDGE_INLINE void rows_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tile,
                         int8_t *output, const int as) {
  for (; rows >= 4; rows -= 4, a += 4 * task->panel_stride, output += 4 * task->output_stride) {
    tile_s8(task, a, tile, output, 4, as);
  }
  for (; rows >= 1; rows -= 1, a += task->panel_stride, output += task->output_stride) {
    tile_s8(task, a, tile, output, 1, as);
  }
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output) {
  const uint8_t *tile = packed;
  int8_t *to = output;
  for (; tiles != 0; tiles--, tile += task->tile_bytes, to += NR) {
    switch (edge_epilogue_of(task, tile)) {
      case EDGE_AS_MBQM:
        rows_s8(task, panel, rows, tile, to, EDGE_AS_MBQM);
        break;
      case EDGE_AS_F64:
        rows_s8(task, panel, rows, tile, to, EDGE_AS_F64);
        break;
      default:
        rows_s8(task, panel, rows, tile, to, EDGE_AS_MBQM_SCALAR);
    }
  }
}

const edge_gemm edge_qs8_gemm__wasm_simd128 = {
    .name = "edge_qs8_gemm__wasm_simd128_4x8",
    .panel = EDGE_PANEL_S16,
    .mr = 4,
    .nr = NR,
    .kr = 2,
    .k_step = 8,
    .max_panel_rows = 8,
    .copy = copy_s16,
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

/* One of k: lane j of A by weights [8]. */
#define STEP_F32(j)                                                                       \
  do {                                                                                    \
    const v128_t b0 = wasm_v128_load(b + 8u * (j)), b1 = wasm_v128_load(b + 8u * (j) + 4u);  \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                            \
      const v128_t one = wasm_i32x4_shuffle(x[r], x[r], j, j, j, j);                      \
      acc[r][0] = wasm_f32x4_add(acc[r][0], wasm_f32x4_mul(one, b0));                     \
      acc[r][1] = wasm_f32x4_add(acc[r][1], wasm_f32x4_mul(one, b1));                     \
    }                                                                                     \
  } while (0)

EDGE_INLINE v128_t clamp_f32(const edge_gemm_task *task, v128_t x) {
  return wasm_f32x4_pmin(wasm_f32x4_pmax(x, wasm_f32x4_splat(task->act_min.f)), wasm_f32x4_splat(task->act_max.f));
}

EDGE_INLINE void tile_f32(const edge_gemm_task *task, const uint8_t *a, const float *tile, uint8_t *output,
                          const int mr) {
  v128_t acc[4][2];
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    acc[r][0] = wasm_v128_load(tile);
    acc[r][1] = wasm_v128_load(tile + 4);
  }
  const float *b = tile + NR;
  for (uint32_t k = 0; k < task->k; k += 4, b += 4 * NR) {
    v128_t x[4];
    EDGE_UNROLL for (int r = 0; r < mr; r++) x[r] = wasm_v128_load(a + r * task->panel_stride + 4 * k);
    STEP_F32(0);
    STEP_F32(1);
    STEP_F32(2);
    STEP_F32(3);
  }
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    wasm_v128_store(output + r * task->output_stride, clamp_f32(task, acc[r][0]));
    wasm_v128_store(output + r * task->output_stride + 16, clamp_f32(task, acc[r][1]));
  }
}

static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  for (uint32_t i = 0; i < tiles; i++) {
    const float *tile = (const float *)(const void *)((const uint8_t *)packed + i * task->tile_bytes);
    const uint8_t *a = panel;
    uint8_t *to = (uint8_t *)output + (size_t)i * NR * 4u;
    uint32_t left = rows;
    for (; left >= 4; left -= 4, a += 4 * task->panel_stride, to += 4 * task->output_stride) {
      tile_f32(task, a, tile, to, 4);
    }
    for (; left >= 1; left -= 1, a += task->panel_stride, to += task->output_stride) tile_f32(task, a, tile, to, 1);
  }
}

const edge_gemm edge_f32_gemm__wasm_simd128 = {
    .name = "edge_f32_gemm__wasm_simd128_4x8",
    .panel = EDGE_PANEL_F32,
    .mr = 4,
    .nr = NR,
    .kr = 1,
    .k_step = 4,
    .max_panel_rows = 8,
    .copy = copy_f32,
    .run = run_f32,
};
