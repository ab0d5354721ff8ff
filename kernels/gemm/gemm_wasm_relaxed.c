/* GEMM for Wasm relaxed-simd: int8 by i32x4.relaxed_dot_i8x16_i7x16_add_s, one sdot on an aarch64 CPU that has it.
 *
 * The instruction is only specified for 7-bit values of one operand. Where it is not exact for all int8 (x86 engines
 * use pmaddubsw, which saturates) this module must not be used: the loader calls relaxed_dot_is_exact() and takes
 * kernels.wasm instead if it answers 0.
 */
#include "gemm_wasm.h"

/* ---- is it exact? ---- */

/* Pairs of int8 (a, b): what saturates, wraps or changes when one operand is taken as unsigned. */
static const int8_t PROBES[][2] = {
    {-128, -128}, {127, -128}, {-128, 127}, {127, 127}, {-1, -1},
    {-1, 127},    {127, -1},   {-128, -1},  {-1, -128}, {64, -65},
};
#define PROBE_COUNT (sizeof PROBES / sizeof PROBES[0])

/* One dot product of four pairs: probe i in the first two places, probe j in the others. */
static int probe_is_exact(const int8_t *i, const int8_t *j) {
  int8_t a[16], b[16];
  for (uint32_t lane = 0; lane < 16; lane++) {
    const int8_t *from = lane % 4 < 2 ? i : j;
    a[lane] = from[0];
    b[lane] = from[1];
  }
  const v128_t sum = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_v128_load(a), wasm_v128_load(b), wasm_i32x4_splat(7));
  return wasm_i32x4_extract_lane(sum, 0) == 7 + 2 * (i[0] * i[1] + j[0] * j[1]);
}

__attribute__((export_name("relaxed_dot_is_exact"))) int32_t edge_relaxed_dot_is_exact(void);
int32_t edge_relaxed_dot_is_exact(void) {
  for (size_t i = 0; i < PROBE_COUNT; i++) {
    for (size_t j = 0; j < PROBE_COUNT; j++) {
      if (!probe_is_exact(PROBES[i], PROBES[j])) return 0;
    }
  }
  return 1;
}

/* ---- int8 ---- */

static void copy_s8(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                    uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    const uint8_t *from = (const uint8_t *)source + run * source_stride;
    uint8_t *to = (uint8_t *)panel + run * panel_stride;
    uint32_t i = 0;
    for (; i + 16 <= count; i += 16) wasm_v128_store(to + i, wasm_v128_load(from + i));
    for (; i < count; i++) to[i] = from[i];
  }
}

/* A multiple of 16 elements. */
static int32_t sum_s8(const void *panel, uint32_t count) {
  v128_t sums = wasm_i32x4_splat(0);
  for (uint32_t i = 0; i < count; i += 16) {
    const v128_t x = wasm_v128_load((const int8_t *)panel + i);
    sums = wasm_i32x4_add(sums, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extadd_pairwise_i8x16(x)));
  }
  return edge_sum_lanes(sums);
}

/* Four of k: lane i of A by weights [8][4]. */
#define STEP(i)                                                                                      \
  do {                                                                                               \
    const v128_t b0 = wasm_v128_load(b[j] + 32u * (i)), b1 = wasm_v128_load(b[j] + 32u * (i) + 16u); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                                       \
      const v128_t four = wasm_i32x4_shuffle(x[r], x[r], i, i, i, i);                                \
      acc[r][2 * j] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(b0, four, acc[r][2 * j]);               \
      acc[r][2 * j + 1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(b1, four, acc[r][2 * j + 1]);       \
    }                                                                                                \
  } while (0)

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                         int8_t *output, const int mr, const int nt, const int as) {
  const uint8_t *row[4], *b[2];
  v128_t acc[4][4];
  EDGE_UNROLL for (int r = 0; r < mr; r++) row[r] = a + r * task->panel_stride;
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    const uint8_t *tile = tiles + j * task->tile_bytes;
    b[j] = tile + EDGE_TILE_HEADER(NR);
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      acc[r][2 * j] = edge_words(tile, EDGE_TILE_BIAS, 0);
      acc[r][2 * j + 1] = edge_words(tile, EDGE_TILE_BIAS, 1);
    }
  }
  if (terms != NULL) edge_add_terms(acc, terms, mr, 2 * nt);
  for (uint32_t k = task->k; k != 0; k -= 16) {
    v128_t x[4];
    EDGE_UNROLL for (int r = 0; r < mr; r++, row[r - 1] += 16) x[r] = wasm_v128_load(row[r]);
    EDGE_UNROLL for (int j = 0; j < nt; j++) {
      b[j] = edge_opaque(b[j]);
      STEP(0);
      STEP(1);
      STEP(2);
      STEP(3);
      b[j] += 16 * NR;
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

const edge_gemm edge_qs8_gemm__wasm_relaxed = {
    .name = "edge_qs8_gemm__wasm_relaxed_4x8",
    .panel = EDGE_PANEL_S8,
    .mr = 4,
    .nr = NR,
    .kr = 4,
    .k_step = 16,
    .max_panel_rows = 8,
    .copy = copy_s8,
    .sum = sum_s8,
    .run = run_s8,
};
