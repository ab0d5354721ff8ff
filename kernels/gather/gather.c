/* Gathering by indices: checks and the row of the table. */
#include "gather.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_gather, gather, field, reason, condition)

static uint32_t limit(const edge_gather_desc *d, uint32_t k) {
  return ((const uint32_t *)d)[EDGE_FIELD_gather_limit_0 + k];
}

static uint64_t rows(const void *desc) {
  const edge_gather_desc *d = desc;
  return edge_mul(edge_mul(d->batch, d->outer), d->count);
}

static uint64_t row_work(const void *desc) {
  const edge_gather_desc *d = desc;
  return (uint64_t)d->inner * d->element * 2u + d->depth * 16u + 64u;
}

static edge_status check_numbers(const edge_gather_desc *d) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(element, RANGE, d->element == 1 || d->element == 2 || d->element == 4 || d->element == 8);
  REQUIRE(index_bytes, RANGE, d->index_bytes == 4 || d->index_bytes == 8);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(outer, RANGE, d->outer >= 1);
  REQUIRE(count, RANGE, d->count >= 1);
  REQUIRE(depth, RANGE, d->depth >= 1 && d->depth <= EDGE_GATHER_DEPTH);
  REQUIRE(inner, RANGE, d->inner >= 1);
  for (uint32_t k = 0; k < EDGE_GATHER_DEPTH; k++) {
    REQUIRE(limit_0 + k, RANGE, limit(d, k) >= 1 && (k < d->depth || limit(d, k) == 1));
  }
  return 0;
}

static edge_status check_regions(const edge_gather_desc *d, const edge_memory *memory) {
  const uint64_t outer = edge_mul(d->batch, d->outer), slice = edge_mul(d->inner, d->element);
  uint64_t input_bytes = edge_mul(outer, slice);
  for (uint32_t k = 0; k < EDGE_GATHER_DEPTH; k++) input_bytes = edge_mul(input_bytes, limit(d, k));
  const uint64_t tuples = edge_mul(d->batch, d->count);
  const edge_region input = edge_region_of(d->input, input_bytes);
  const edge_region indices = edge_region_of(d->indices, edge_mul(edge_mul(tuples, d->depth), d->index_bytes));
  const edge_region output = edge_region_of(d->output, edge_mul(rows(d), slice));
  EDGE_REQUIRE_REGION(EDGE_KERNEL_gather, gather, input, input, d->element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_gather, gather, indices, indices, d->index_bytes, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_gather, gather, output, output, d->element, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input) && !edge_regions_overlap(output, indices));
  return 0;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_gather_desc *d = desc;
  edge_status status = check_numbers(d);
  if (status == 0) status = check_regions(d, memory);
  /* No more indices are read than a call may have rows. */
  if (status == 0) status = edge_check_rows(&edge_kernel_gather, d);
  if (status != 0) return status;
  for (uint32_t row = d->begin; row < d->end; row++) {
    REQUIRE(indices, RANGE, edge_gather_slice(d, memory->base, row) != UINT64_MAX);
  }
  return 0;
}

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_gather__ref(desc, base);
}

const edge_kernel edge_kernel_gather = {.name = "gather",
                                        .id = EDGE_KERNEL_gather,
                                        .desc_bytes = sizeof(edge_gather_desc),
                                        .check = check,
                                        .check_reads = 1,
                                        .rows = rows,
                                        .row_work = row_work,
                                        .run = run};
