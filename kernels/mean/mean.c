/* Mean over the middle of three axes: checks and the choice of a kernel. */
#include "mean.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, mean, field, reason, condition)

static edge_status check(const edge_mean_desc *d, edge_kernel_id id, uint64_t element, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(outer, RANGE, d->outer >= 1);
  REQUIRE(reduced, RANGE, d->reduced >= 1 && d->reduced <= (UINT32_C(1) << 23));
  REQUIRE(inner, RANGE, d->inner >= 1);
  if (element == 1) {
    REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
    REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
    REQUIRE(multiplier, RANGE, d->multiplier >= 0);
    REQUIRE(shift, RANGE, d->shift >= -62 && d->shift <= 30);
  } else {
    REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
    REQUIRE(multiplier, RANGE, d->multiplier == 0);
    REQUIRE(shift, RANGE, d->shift == 0);
  }
  const uint64_t results = edge_mul((uint64_t)d->outer * d->inner, element);
  const edge_region input = edge_region_of(d->input, edge_mul(results, d->reduced));
  const edge_region output = edge_region_of(d->output, results);
  EDGE_REQUIRE_REGION(id, mean, input, input, element, memory);
  EDGE_REQUIRE_REGION(id, mean, output, output, element, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static edge_status check_s8(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_mean_s8, 1, memory);
}

static edge_status check_f32(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_mean_f32, 4, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_mean_desc *)desc)->outer; }

static uint64_t row_work(const void *desc) {
  const edge_mean_desc *d = desc;
  return edge_add(edge_mul((uint64_t)d->reduced * d->inner, 4u), EDGE_ROW_OVERHEAD);
}

static void run_s8(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)packed, (void)scratch;
  if (isa == EDGE_ISA_REF) {
    edge_qs8_mean__ref(desc, base);
    return;
  }
#if defined(EDGE_BUILD_X86)
  edge_qs8_mean__avx2(desc, base);
#else
  edge_qs8_mean__blocks(desc, base);
#endif
}

static void run_f32(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)packed, (void)scratch;
  if (isa == EDGE_ISA_REF) {
    edge_f32_mean__ref(desc, base);
    return;
  }
#if defined(EDGE_BUILD_X86)
  edge_f32_mean__avx2(desc, base);
#else
  edge_f32_mean__blocks(desc, base);
#endif
}

const edge_kernel edge_kernel_mean_s8 = {.name = "mean_s8",
                                         .id = EDGE_KERNEL_mean_s8,
                                         .desc_bytes = sizeof(edge_mean_desc),
                                         .check = check_s8,
                                         .rows = rows,
                                         .row_work = row_work,
                                         .run = run_s8};

const edge_kernel edge_kernel_mean_f32 = {.name = "mean_f32",
                                          .id = EDGE_KERNEL_mean_f32,
                                          .desc_bytes = sizeof(edge_mean_desc),
                                          .check = check_f32,
                                          .rows = rows,
                                          .row_work = row_work,
                                          .run = run_f32};
