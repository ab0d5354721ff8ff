/* SVDF: checks and the rows of the table. */
#include "svdf.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, svdf, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, svdf, field, field, align, memory)

static int scale_ok(int32_t multiplier, int32_t shift) { return multiplier >= 0 && shift >= -31 && shift <= 30; }

static edge_status check_numbers(const edge_svdf_desc *d, edge_kernel_id id, int is_float) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(units, RANGE, d->units >= 1);
  REQUIRE(rank, RANGE, d->rank >= 1);
  REQUIRE(memory, RANGE, d->memory >= 1);
  if (is_float) {
    REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
    REQUIRE(multiplier, RANGE, d->multiplier == 0 && d->shift == 0);
    REQUIRE(output_multiplier, RANGE, d->output_multiplier == 0 && d->output_shift == 0);
    REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f);
    if (d->filter == 0) REQUIRE(input_c, RANGE, d->input_c == (uint64_t)d->units * d->rank);
  } else {
    REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
    REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
    REQUIRE(multiplier, RANGE, scale_ok(d->multiplier, d->shift));
    REQUIRE(output_multiplier, RANGE, scale_ok(d->output_multiplier, d->output_shift));
    REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  }
  return 0;
}

static edge_status check_regions(const edge_svdf_desc *d, edge_kernel_id id, int is_float, const edge_memory *memory) {
  const uint32_t element = is_float ? 4 : 1, kept = is_float ? 4 : 2;
  const uint64_t filters = (uint64_t)d->units * d->rank;
  const int has_filter = !is_float || d->filter != 0;
  const uint64_t memories = edge_mul(filters, d->memory);
  const edge_region input = edge_region_of(d->input, edge_mul((uint64_t)d->batch * d->input_c, element));
  const edge_region filter =
      edge_region_of(d->filter, has_filter ? edge_mul(edge_mul(filters, d->input_c), element) : 0);
  const edge_region time = edge_region_of(d->time, edge_mul(memories, kept));
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? (uint64_t)d->units * 4u : 0);
  const edge_region state = edge_region_of(d->state, edge_mul(edge_mul(memories, d->batch), kept));
  const edge_region output = edge_region_of(d->output, edge_mul((uint64_t)d->batch * d->units, element));
  REQUIRE_REGION(input, element);
  if (has_filter) REQUIRE_REGION(filter, element);
  REQUIRE_REGION(time, kept);
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  REQUIRE_REGION(state, kept);
  REQUIRE_REGION(output, element);
  const edge_region others[] = {input, filter, time, bias, state};
  REQUIRE(state, OVERLAP, edge_region_clear(state, others, 4));
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 5));
  return 0;
}

static edge_status check(const edge_svdf_desc *d, edge_kernel_id id, int is_float, const edge_memory *memory) {
  const edge_status status = check_numbers(d, id, is_float);
  return status != 0 ? status : check_regions(d, id, is_float, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_svdf_desc *)desc)->units; }

static uint64_t row_work(const void *desc) {
  const edge_svdf_desc *d = desc;
  const uint64_t filter = (uint64_t)d->input_c + 2u * (uint64_t)d->memory;
  return edge_mul(d->batch, edge_add(edge_mul(d->rank, filter), EDGE_ROW_OVERHEAD));
}

/* Defines the row of kernel svdf_DTYPE. */
#define SVDF_ROW(DTYPE, IS_FLOAT, KERNEL)                                                                     \
  static edge_status check_##DTYPE(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_svdf_##DTYPE, IS_FLOAT, memory);                                           \
  }                                                                                                           \
  static void run_##DTYPE(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)packed, (void)scratch;                                                                              \
    EDGE_RUN_LOOPS(KERNEL, isa, desc, base);                                                                  \
  }                                                                                                           \
  const edge_kernel edge_kernel_svdf_##DTYPE = {.name = "svdf_" #DTYPE,                                       \
                                                .id = EDGE_KERNEL_svdf_##DTYPE,                               \
                                                .desc_bytes = sizeof(edge_svdf_desc),                         \
                                                .check = check_##DTYPE,                                       \
                                                .rows = rows,                                                 \
                                                .row_work = row_work,                                         \
                                                .run = run_##DTYPE};

SVDF_ROW(s8, 0, edge_qs8_svdf)
SVDF_ROW(f32, 1, edge_f32_svdf)
