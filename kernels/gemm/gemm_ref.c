/* The scalar GEMM variants: the layout with the least in it. */
#include "gemm.h"
#include "gemm_tile.h"
#include "requantize.h"

#define NR 4u

static void copy_elements(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                          size_t bytes) {
  for (uint32_t run = 0; run < runs; run++) {
    uint8_t *to = (uint8_t *)panel + run * panel_stride;
    const uint8_t *from = (const uint8_t *)source + run * source_stride;
    for (size_t i = 0; i < bytes; i++) to[i] = from[i];
  }
}

static void copy_s8(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                    uint32_t count) {
  copy_elements(panel, panel_stride, source, source_stride, runs, count);
}

static void copy_f32(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  copy_elements(panel, panel_stride, source, source_stride, runs, (size_t)count * 4u);
}

static int32_t sum_s8(const void *panel, uint32_t count) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += ((const int8_t *)panel)[i];
  return sum;
}

static int8_t output_s8(const edge_gemm_task *task, const uint8_t *tile, const int8_t *a, uint32_t row, uint32_t lane) {
  const int32_t *words = (const int32_t *)(const void *)tile;
  const int8_t *b = (const int8_t *)tile + EDGE_TILE_HEADER(NR) + lane;
  uint32_t sum = (uint32_t)words[EDGE_TILE_BIAS * NR + lane];
  if (task->row_terms != NULL) sum += (uint32_t)task->row_terms[row];
  for (uint32_t s = 0; s < task->segments; s++, b += (size_t)task->k * NR) {
    const int8_t *from = a + task->segment[s];
    for (uint32_t i = 0; i < task->k; i++) sum += (uint32_t)(from[i] * b[(size_t)i * NR]);
  }
  const int32_t scaled =
      task->epilogue == EDGE_GEMM_MBQM
          ? edge_tile_mbqm(words, NR, lane, (int32_t)sum)
          : edge_round_f64((int32_t)sum, ((const double *)(const void *)(words + EDGE_TILE_SCALE * NR))[lane]);
  return edge_output_s8(scaled, task->zero_point, task->act_min.i, task->act_max.i);
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output) {
  for (uint32_t row = 0; row < rows; row++) {
    const int8_t *a = (const int8_t *)panel + row * task->panel_stride;
    int8_t *to = (int8_t *)output + row * task->output_stride;
    for (uint32_t channel = 0; channel < tiles * NR; channel++) {
      const uint8_t *tile = (const uint8_t *)packed + (size_t)(channel / NR) * task->tile_bytes;
      to[channel] = output_s8(task, tile, a, row, channel % NR);
    }
  }
}

static float output_f32(const edge_gemm_task *task, const float *tile, const uint8_t *a, uint32_t lane) {
  const float *b = tile + NR + lane;
  float sum = tile[lane];
  for (uint32_t s = 0; s < task->segments; s++, b += (size_t)task->k * NR) {
    const float *from = (const float *)(const void *)(a + task->segment[s]);
    for (uint32_t i = 0; i < task->k; i++) sum += from[i] * b[(size_t)i * NR];
  }
  return edge_clamp_f32(sum, task->act_min.f, task->act_max.f);
}

static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  for (uint32_t row = 0; row < rows; row++) {
    const uint8_t *a = (const uint8_t *)panel + row * task->panel_stride;
    float *to = (float *)(void *)((uint8_t *)output + row * task->output_stride);
    for (uint32_t channel = 0; channel < tiles * NR; channel++) {
      const uint8_t *tile = (const uint8_t *)packed + (size_t)(channel / NR) * task->tile_bytes;
      to[channel] = output_f32(task, (const float *)(const void *)tile, a, channel % NR);
    }
  }
}

const edge_gemm edge_qs8_gemm__ref = {
    .name = "edge_qs8_gemm__ref",
    .panel = EDGE_PANEL_S8,
    .mr = 1,
    .nr = NR,
    .kr = 1,
    .k_step = 2, /* keeps every tile, and so its doubles, 8-aligned */
    .max_panel_rows = 8,
    .segmented = 1,
    .copy = copy_s8,
    .sums_any_count = 1,
    .sum = sum_s8,
    .run = run_s8,
};

const edge_gemm edge_f32_gemm__ref = {
    .name = "edge_f32_gemm__ref",
    .panel = EDGE_PANEL_F32,
    .mr = 1,
    .nr = NR,
    .kr = 1,
    .k_step = 1,
    .max_panel_rows = 8,
    .segmented = 1,
    .copy = copy_f32,
    .run = run_f32,
};
