/* Dynamic quantisation: checks and the rows of the table. */
#include "dynamic.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, dynamic, field, reason, condition)
#define REQUIRE_REGION(field) EDGE_REQUIRE_REGION(id, dynamic, field, field, 4, memory)

typedef enum step { RANGE, ROUND, ROUND_S8, SCALE } step;

static edge_status check_numbers(const edge_dynamic_desc *d, edge_kernel_id id, step what) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(count, RANGE, d->count >= 1);
  REQUIRE(symmetric, RANGE, d->symmetric <= (what == RANGE ? 0u : 1u));
  if (what == RANGE) REQUIRE(ranges, RANGE, d->ranges == 0);
  if (what == SCALE) {
    REQUIRE(pixels, RANGE, d->pixels >= 1);
    REQUIRE(channels, RANGE, d->channels >= 1);
    REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f); /* false for a NaN */
    return 0;
  }
  REQUIRE(factors, RANGE, d->factors == 0);
  REQUIRE(bias, RANGE, d->bias == 0);
  REQUIRE(pixels, RANGE, d->pixels == 0);
  REQUIRE(channels, RANGE, d->channels == 0);
  REQUIRE(act_min, RANGE, d->act_min.f == 0.0f);
  REQUIRE(act_max, RANGE, d->act_max.f == 0.0f);
  return 0;
}

static edge_status check_regions(const edge_dynamic_desc *d, edge_kernel_id id, step what, const edge_memory *memory) {
  const uint64_t range_bytes = edge_mul((uint64_t)d->batch * edge_dynamic_blocks(d->count), 8);
  const uint64_t of_one = what == SCALE ? edge_mul(d->pixels, d->channels) : d->count;
  const uint64_t vector = what == SCALE ? (uint64_t)d->channels * 4u : 0;
  const edge_region input = edge_region_of(d->input, edge_mul(edge_mul(d->batch, of_one), 4));
  const edge_region ranges = edge_region_of(d->ranges, what == RANGE ? 0 : range_bytes);
  const edge_region factors = edge_region_of(d->factors, vector);
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? vector : 0);
  const edge_region output =
      edge_region_of(d->output, what == RANGE ? range_bytes : input.bytes / (what == ROUND_S8 ? 4u : 1u));
  REQUIRE_REGION(input);
  if (what != RANGE) REQUIRE_REGION(ranges);
  if (what == SCALE) REQUIRE_REGION(factors);
  if (d->bias != 0) REQUIRE_REGION(bias);
  EDGE_REQUIRE_REGION(id, dynamic, output, output, what == ROUND_S8 ? 1u : 4u, memory);
  const edge_region others[] = {ranges, factors, bias};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 3));
  if (what == RANGE || what == ROUND_S8) {
    REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  } else {
    REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, input));
  }
  return 0;
}

static edge_status check(const edge_dynamic_desc *d, edge_kernel_id id, step what, const edge_memory *memory) {
  const edge_status status = check_numbers(d, id, what);
  return status != 0 ? status : check_regions(d, id, what, memory);
}

static uint64_t rows_by_block(const void *desc) {
  const edge_dynamic_desc *d = desc;
  return (uint64_t)d->batch * edge_dynamic_blocks(d->count);
}

static uint64_t rows_by_pixel(const void *desc) {
  const edge_dynamic_desc *d = desc;
  return (uint64_t)d->batch * d->pixels;
}

static uint64_t work_of(const edge_dynamic_desc *d, uint64_t values) {
  return values * 4u + 2u * (uint64_t)edge_dynamic_blocks(d->count) + EDGE_ROW_OVERHEAD;
}

static uint64_t row_work_by_block(const void *desc) {
  const edge_dynamic_desc *d = desc;
  return work_of(d, d->count < EDGE_DYNAMIC_BLOCK ? d->count : EDGE_DYNAMIC_BLOCK);
}

static uint64_t row_work_by_pixel(const void *desc) {
  const edge_dynamic_desc *d = desc;
  return work_of(d, d->channels);
}

/* Defines the row of kernel dynamic_NAME. */
#define DYNAMIC_ROW(NAME, STEP, BY, KERNEL)                                                                  \
  static edge_status check_##NAME(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_dynamic_##NAME, STEP, memory);                                            \
  }                                                                                                          \
  static void run_##NAME(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)packed, (void)scratch;                                                                             \
    EDGE_RUN_LOOPS(KERNEL, isa, desc, base);                                                                 \
  }                                                                                                          \
  const edge_kernel edge_kernel_dynamic_##NAME = {.name = "dynamic_" #NAME,                                  \
                                                  .id = EDGE_KERNEL_dynamic_##NAME,                          \
                                                  .desc_bytes = sizeof(edge_dynamic_desc),                   \
                                                  .check = check_##NAME,                                     \
                                                  .rows = rows_by_##BY,                                      \
                                                  .row_work = row_work_by_##BY,                              \
                                                  .run = run_##NAME};

DYNAMIC_ROW(range_f32, RANGE, block, edge_f32_dynamic_range)
DYNAMIC_ROW(round_f32, ROUND, block, edge_f32_dynamic_round)
DYNAMIC_ROW(round_s8, ROUND_S8, block, edge_qs8_dynamic_round)
DYNAMIC_ROW(scale_f32, SCALE, pixel, edge_f32_dynamic_scale)
