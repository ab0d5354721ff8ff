/* GEMM for NEON: int8 widened to int16, smlal by lane, which is exact. 8 rows x 8 channels: 16 sums, 8 registers of A.
 *
 * (smull + sadalp on int8 does as many products an instruction, and ends with a sum across each register.)
 */
#include "gemm_neon.h"

/* ---- int8 ---- */

EDGE_INLINE void widen(int16_t *to, const int8_t *from, uint32_t count) {
  if (count >= 8) {
    for (uint32_t i = 0; i + 8 < count; i += 8) vst1q_s16(to + i, vmovl_s8(vld1_s8(from + i)));
    vst1q_s16(to + count - 8, vmovl_s8(vld1_s8(from + count - 8))); /* overlaps the last step */
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

/* A multiple of 8 elements. */
static int32_t sum_s16(const void *panel, uint32_t count) {
  int32x4_t sums = vdupq_n_s32(0);
  for (uint32_t i = 0; i < count; i += 8) sums = vpadalq_s16(sums, vld1q_s16((const int16_t *)panel + i));
  return vaddvq_s32(sums);
}

/* One of k: lane j of A by weights [8]. */
#define STEP(j)                                                         \
  do {                                                                  \
    const int16x8_t w = vmovl_s8(vld1_s8(b + 8 * (j)));                 \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                          \
      acc[r][0] = vmlal_laneq_s16(acc[r][0], vget_low_s16(w), x[r], j); \
      acc[r][1] = vmlal_high_laneq_s16(acc[r][1], w, x[r], j);          \
    }                                                                   \
  } while (0)

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tile,
                         int8_t *output, const int mr, const int f64) {
  int32x4_t acc[8][2];
  edge_start_tile_s8(acc, terms, tile, mr);
  const int8_t *b = (const int8_t *)tile + EDGE_TILE_HEADER(NR);
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *from = a + task->segment[s];
    for (uint32_t k = 0; k < task->k; k += 8, b += 8 * NR) {
      int16x8_t x[8];
      EDGE_UNROLL for (int r = 0; r < mr; r++) {
        x[r] = vld1q_s16((const int16_t *)(const void *)(from + r * task->panel_stride) + k);
      }
      STEP(0);
      STEP(1);
      STEP(2);
      STEP(3);
      STEP(4);
      STEP(5);
      STEP(6);
      STEP(7);
    }
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

const edge_gemm edge_qs8_gemm__neon = {
    .name = "edge_qs8_gemm__neon_8x8",
    .panel = EDGE_PANEL_S16,
    .mr = 8,
    .nr = NR,
    .kr = 1,
    .k_step = 8,
    .max_panel_rows = 64,
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
    for (; i + 4 <= count; i += 4) vst1q_f32(to + i, vld1q_f32(from + i));
    for (; i < count; i++) to[i] = from[i];
  }
}

/* One of k: lane j of A by weights [8]. */
#define STEP_F32(j)                                                                 \
  do {                                                                              \
    const float32x4_t b0 = vld1q_f32(b + 8 * (j)), b1 = vld1q_f32(b + 8 * (j) + 4); \
    EDGE_UNROLL for (int r = 0; r < mr; r++) {                                      \
      acc[r][0] = vfmaq_laneq_f32(acc[r][0], b0, x[r], j);                          \
      acc[r][1] = vfmaq_laneq_f32(acc[r][1], b1, x[r], j);                          \
    }                                                                               \
  } while (0)

EDGE_INLINE void tile_f32(const edge_gemm_task *task, const uint8_t *a, const float *tile, uint8_t *output,
                          const int mr) {
  float32x4_t acc[8][2];
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    acc[r][0] = vld1q_f32(tile);
    acc[r][1] = vld1q_f32(tile + 4);
  }
  const float *b = tile + NR;
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *from = a + task->segment[s];
    for (uint32_t k = 0; k < task->k; k += 4, b += 4 * NR) {
      float32x4_t x[8];
      EDGE_UNROLL for (int r = 0; r < mr; r++) {
        x[r] = vld1q_f32((const float *)(const void *)(from + r * task->panel_stride) + k);
      }
      STEP_F32(0);
      STEP_F32(1);
      STEP_F32(2);
      STEP_F32(3);
    }
  }
  const float32x4_t low = vdupq_n_f32(task->act_min.f), high = vdupq_n_f32(task->act_max.f);
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    float *to = (float *)(void *)(output + r * task->output_stride);
    vst1q_f32(to, vminq_f32(vmaxq_f32(acc[r][0], low), high));
    vst1q_f32(to + 4, vminq_f32(vmaxq_f32(acc[r][1], low), high));
  }
}

static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  for (uint32_t i = 0; i < tiles; i++) {
    const float *tile = (const float *)(const void *)((const uint8_t *)packed + i * task->tile_bytes);
    const uint8_t *a = panel;
    uint8_t *to = (uint8_t *)output + (size_t)i * NR * 4u;
    uint32_t left = rows;
    for (; left >= 8; left -= 8, a += 8 * task->panel_stride, to += 8 * task->output_stride) {
      tile_f32(task, a, tile, to, 8);
    }
    for (; left >= 4; left -= 4, a += 4 * task->panel_stride, to += 4 * task->output_stride) {
      tile_f32(task, a, tile, to, 4);
    }
    for (; left >= 1; left -= 1, a += task->panel_stride, to += task->output_stride) tile_f32(task, a, tile, to, 1);
  }
}

const edge_gemm edge_f32_gemm__neon = {
    .name = "edge_f32_gemm__neon_8x8",
    .panel = EDGE_PANEL_F32,
    .mr = 8,
    .nr = NR,
    .kr = 1,
    .k_step = 4,
    .max_panel_rows = 64,
    .segmented = 1,
    .copy = copy_f32,
    .run = run_f32,
};
