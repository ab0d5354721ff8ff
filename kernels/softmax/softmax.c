/* Soft-max: checks and the table rows. */
#include "softmax.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, softmax, field, reason, condition)

static edge_status check(const edge_softmax_desc *d, edge_kernel_id id, uint64_t element, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(rows, RANGE, d->rows >= 1);
  REQUIRE(depth, RANGE, d->depth >= 1 && d->depth <= 65536);
  if (element == 1) {
    REQUIRE(multiplier, RANGE, d->multiplier >= 0);
    REQUIRE(shift, RANGE, d->shift >= 0 && d->shift <= 31);
    REQUIRE(diff_min, RANGE, d->diff_min <= 0);
    REQUIRE(beta, RANGE, d->beta.i == 0);
  } else {
    REQUIRE(multiplier, RANGE, d->multiplier == 0);
    REQUIRE(shift, RANGE, d->shift == 0);
    REQUIRE(diff_min, RANGE, d->diff_min == 0);
    REQUIRE(beta, RANGE, edge_is_finite(d->beta.f));
  }
  const uint64_t bytes = (uint64_t)d->rows * d->depth * element;
  const edge_region input = edge_region_of(d->input, bytes), output = edge_region_of(d->output, bytes);
  EDGE_REQUIRE_REGION(id, softmax, input, input, element, memory);
  EDGE_REQUIRE_REGION(id, softmax, output, output, element, memory);
  REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, input));
  return 0;
}

static edge_status check_s8(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_softmax_s8, 1, memory);
}

static edge_status check_f32(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_softmax_f32, 4, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_softmax_desc *)desc)->rows; }

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_softmax_desc *)desc)->depth * 64u; }

static void run_s8(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_qs8_softmax__ref(desc, base);
}

static void run_f32(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_softmax__ref(desc, base);
}

const edge_kernel edge_kernel_softmax_s8 = {.name = "softmax_s8",
                                            .id = EDGE_KERNEL_softmax_s8,
                                            .desc_bytes = sizeof(edge_softmax_desc),
                                            .check = check_s8,
                                            .rows = rows,
                                            .row_work = row_work,
                                            .run = run_s8};

const edge_kernel edge_kernel_softmax_f32 = {.name = "softmax_f32",
                                             .id = EDGE_KERNEL_softmax_f32,
                                             .desc_bytes = sizeof(edge_softmax_desc),
                                             .check = check_f32,
                                             .rows = rows,
                                             .row_work = row_work,
                                             .run = run_f32};
