/* GEMM for NEON with dotprod: int8 by sdot, four exact products a lane. 8 rows x 8 channels. */
#include "gemm_neon.h"

static void copy_s8(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                    uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    const int8_t *from = (const int8_t *)source + run * source_stride;
    int8_t *to = (int8_t *)panel + run * panel_stride;
    uint32_t i = 0;
    for (; i + 16 <= count; i += 16) vst1q_s8(to + i, vld1q_s8(from + i));
    for (; i < count; i++) to[i] = from[i];
  }
}

/* A multiple of 16 elements. */
static int32_t sum_s8(const void *panel, uint32_t count) {
  int32x4_t sums = vdupq_n_s32(0);
  for (uint32_t i = 0; i < count; i += 16) {
    sums = vdotq_s32(sums, vld1q_s8((const int8_t *)panel + i), vdupq_n_s8(1));
  }
  return vaddvq_s32(sums);
}

/* Four of k: lane j of A by weights [8][4]. */
#define STEP(j)                                                                    \
  do {                                                                             \
    const int8x16_t b0 = vld1q_s8(b + 32 * (j)), b1 = vld1q_s8(b + 32 * (j) + 16); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                     \
      acc[r][0] = vdotq_laneq_s32(acc[r][0], b0, x[r], j);                         \
      acc[r][1] = vdotq_laneq_s32(acc[r][1], b1, x[r], j);                         \
    }                                                                              \
  } while (0)

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tile,
                         int8_t *output, const int mr, const int f64) {
  int32x4_t acc[8][2];
  edge_start_tile_s8(acc, terms, tile, mr);
  const int8_t *b = (const int8_t *)tile + EDGE_TILE_HEADER(NR);
  for (uint32_t k = 0; k < task->k; k += 16, b += 16 * NR) {
    int8x16_t x[8];
    EDGE_UNROLL for (int r = 0; r < mr; r++) x[r] = vld1q_s8((const int8_t *)a + r * task->panel_stride + k);
    STEP(0);
    STEP(1);
    STEP(2);
    STEP(3);
  }
  edge_store_tile_s8(task, acc, tile, output, mr, f64);
}

EDGE_INLINE void tiles_s8(const edge_gemm_task *task, const uint8_t *panel, uint32_t rows, const uint8_t *tile,
                          uint32_t tiles, int8_t *output, const int f64) {
  for (; tiles != 0; tiles--, tile += task->tile_bytes, output += NR) {
    const uint8_t *a = panel;
    int8_t *to = output;
    uint32_t row = 0;
    for (; rows - row >= 8; row += 8, a += 8 * task->panel_stride, to += 8 * task->output_stride) {
      tile_s8(task, a, edge_row_terms(task, row), tile, to, 8, f64);
    }
    for (; rows - row >= 4; row += 4, a += 4 * task->panel_stride, to += 4 * task->output_stride) {
      tile_s8(task, a, edge_row_terms(task, row), tile, to, 4, f64);
    }
    for (; row < rows; row += 1, a += task->panel_stride, to += task->output_stride) {
      tile_s8(task, a, edge_row_terms(task, row), tile, to, 1, f64);
    }
  }
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output) {
  if (task->epilogue == EDGE_GEMM_MBQM) {
    tiles_s8(task, panel, rows, packed, tiles, output, 0);
  } else {
    tiles_s8(task, panel, rows, packed, tiles, output, 1);
  }
}

const edge_gemm edge_qs8_gemm__neon_dotprod = {
    .name = "edge_qs8_gemm__neon_dotprod_8x8",
    .panel = EDGE_PANEL_S8,
    .mr = 8,
    .nr = NR,
    .kr = 4,
    .k_step = 16,
    .max_panel_rows = 64,
    .copy = copy_s8,
    .sum = sum_s8,
    .run = run_s8,
};
