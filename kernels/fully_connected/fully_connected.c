/* fully_connected_s8 and fully_connected_f32: each call does all rows of the input for some output channels. */
#include "fully_connected.h"

#include "../common/check.h"
#include "../gemm/gemm.h"

static uint64_t rows(const void *desc) { return ((const edge_fully_connected_desc *)desc)->output_c; }

static uint64_t row_work(const void *desc) {
  const edge_fully_connected_desc *d = desc;
  return edge_mul(d->batch, d->input_c);
}

/* ---- check ---- */

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, fully_connected, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, fully_connected, field, field, align, memory)

static edge_status check_numbers(const edge_fully_connected_desc *d, edge_kernel_id id, int is_float) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(output_c, RANGE, d->output_c >= 1);
  if (is_float) {
    REQUIRE(scale, RANGE, d->scale == 0);
    REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
    REQUIRE(filter_zero_point, RANGE, d->filter_zero_point == 0);
    REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f); /* false for a NaN */
  } else {
    REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
    REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
    REQUIRE(filter_zero_point, RANGE, edge_zero_point_ok(d->filter_zero_point));
    REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  }
  return 0;
}

/* 1 if all of f64[n] are finite and not negative: as bits, below infinity. */
static int all_scales(const edge_memory *memory, edge_region scale) {
  const uint64_t *bits = (const uint64_t *)(const void *)(memory->base + scale.begin);
  for (uint64_t i = 0; i < scale.bytes / 8u; i++) {
    if (bits[i] >= UINT64_C(0x7ff0000000000000)) return 0;
  }
  return 1;
}

static edge_status check_regions(const edge_fully_connected_desc *d, edge_kernel_id id, int is_float,
                                 const edge_memory *memory) {
  const uint32_t element = is_float ? 4 : 1;
  const uint64_t m = d->batch, n = d->output_c, k = d->input_c;
  const edge_region input = edge_region_of(d->input, edge_mul(m * k, element));
  const edge_region filter = edge_region_of(d->filter, edge_mul(n * k, element));
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? n * 4u : 0);
  const edge_region scale = edge_region_of(d->scale, is_float ? 0 : n * 8u);
  const edge_region output = edge_region_of(d->output, edge_mul(m * n, element));
  const edge_region packed = edge_region_of(d->packed, d->packed_bytes);
  const edge_region scratch = edge_region_of(d->scratch, d->scratch_bytes);
  REQUIRE_REGION(input, element);
  REQUIRE_REGION(filter, element);
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  if (!is_float) REQUIRE_REGION(scale, 8);
  REQUIRE_REGION(output, element);
  REQUIRE_REGION(packed, EDGE_REGION_ALIGN);
  REQUIRE_REGION(scratch, EDGE_REGION_ALIGN);
  /* The filter is inside the memory by now, so neither of these sizes can overflow. */
  REQUIRE(packed_bytes, RANGE, d->packed_bytes >= edge_gemm_packed_bytes_needed(is_float, n, 1, k));
  REQUIRE(scratch_bytes, RANGE, d->scratch_bytes >= edge_gemm_scratch_bytes_needed(is_float, k));
  const edge_region others[] = {input, filter, bias, scale, output, packed};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 4));
  REQUIRE(packed, OVERLAP, edge_region_clear(packed, others, 5));
  REQUIRE(scratch, OVERLAP, edge_region_clear(scratch, others, 6));
  if (!is_float) REQUIRE(scale, RANGE, all_scales(memory, scale));
  return 0;
}

static edge_status check(const edge_fully_connected_desc *d, edge_kernel_id id, int is_float,
                         const edge_memory *memory) {
  const edge_status status = check_numbers(d, id, is_float);
  return status != 0 ? status : check_regions(d, id, is_float, memory);
}

/* ---- pack, run ---- */

static void pack(const edge_fully_connected_desc *d, const edge_gemm *g, const uint8_t *base, void *packed) {
  const edge_gemm_weights weights = {
      .epilogue = g->panel == EDGE_PANEL_F32 ? EDGE_GEMM_F32 : EDGE_GEMM_F64,
      .n = d->output_c,
      .segments = 1,
      .k = d->input_c,
      .filter = base + d->filter,
      .bias = d->bias != 0 ? base + d->bias : NULL,
      .scale = (const double *)(const void *)(base + d->scale),
      .input_zero_point = d->input_zero_point,
  };
  edge_gemm_pack(g, &weights, packed);
}

static void run(const edge_fully_connected_desc *d, const edge_gemm *g, uint8_t *base, const void *packed,
                void *panel) {
  const int is_float = g->panel == EDGE_PANEL_F32;
  const uint32_t k = d->input_c, most = edge_gemm_panel_rows(g, k);
  const size_t row_bytes = (size_t)k * (is_float ? 4u : 1u);
  edge_gemm_task task = edge_gemm_begin(g, is_float ? EDGE_GEMM_F32 : EDGE_GEMM_F64, d->output_c, k);
  task.zero_point = d->output_zero_point;
  task.act_min = d->act_min;
  task.act_max = d->act_max;
  edge_gemm_set_zero_points(g, &task, k, d->input_zero_point, d->filter_zero_point);
  const int in_place = edge_gemm_reads_source(g, k);
  if (in_place) {
    task.panel_stride = row_bytes;
  } else {
    edge_gemm_clear_padding(g, k, panel, most < d->batch ? most : d->batch);
  }
  for (uint32_t row = 0; row < d->batch;) {
    const uint32_t count = d->batch - row < most ? d->batch - row : most;
    const uint8_t *from = base + d->input + row * row_bytes;
    if (!in_place) g->copy(panel, task.panel_stride, from, row_bytes, count, k);
    edge_gemm_run(g, &task, in_place ? from : panel, count, packed, d->begin, d->end,
                  base + d->output + row * task.output_stride);
    row += count;
  }
}

/* ---- the two kernels ---- */

static uint32_t packed_at(const void *desc) { return ((const edge_fully_connected_desc *)desc)->packed; }
static uint32_t scratch_at(const void *desc) { return ((const edge_fully_connected_desc *)desc)->scratch; }

#define KERNEL(dtype, gemm, is_float)                                                                         \
  static edge_status check_##dtype(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_fully_connected_##dtype, is_float, memory);                                \
  }                                                                                                           \
  static size_t packed_bytes_##dtype(const void *desc, edge_isa isa) {                                        \
    const edge_fully_connected_desc *d = desc;                                                                \
    return edge_gemm_packed_bytes(gemm(isa), d->output_c, d->input_c);                                        \
  }                                                                                                           \
  static void pack_##dtype(const void *desc, edge_isa isa, const uint8_t *base, void *packed) {               \
    pack(desc, gemm(isa), base, packed);                                                                      \
  }                                                                                                           \
  static size_t scratch_bytes_##dtype(const void *desc, edge_isa isa) {                                       \
    return edge_gemm_scratch_bytes(gemm(isa), ((const edge_fully_connected_desc *)desc)->input_c);            \
  }                                                                                                           \
  static void run_##dtype(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    run(desc, gemm(isa), base, packed, scratch);                                                              \
  }                                                                                                           \
  const edge_kernel edge_kernel_fully_connected_##dtype = {                                                   \
      .name = "fully_connected_" #dtype,                                                                      \
      .id = EDGE_KERNEL_fully_connected_##dtype,                                                              \
      .desc_bytes = sizeof(edge_fully_connected_desc),                                                        \
      .check = check_##dtype,                                                                                 \
      .rows = rows,                                                                                           \
      .row_work = row_work,                                                                                   \
      .packed_bytes = packed_bytes_##dtype,                                                                   \
      .pack = pack_##dtype,                                                                                   \
      .scratch_bytes = scratch_bytes_##dtype,                                                                 \
      .packed_at = packed_at,                                                                                 \
      .scratch_at = scratch_at,                                                                               \
      .share = 16,                                                                                            \
      .run = run_##dtype,                                                                                     \
  };

KERNEL(s8, edge_qs8_gemm, 0)
KERNEL(f32, edge_f32_gemm, 1)
