/* Look-up tables: checks and the table rows. */
#include "lookup.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, lookup, field, reason, condition)

static edge_status check(const edge_lookup_desc *d, edge_kernel_id id, uint64_t element, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1);
  const edge_region input = edge_region_of(d->input, d->count * element);
  const edge_region table = edge_region_of(d->table, element << (8u * element));
  const edge_region output = edge_region_of(d->output, d->count * element);
  EDGE_REQUIRE_REGION(id, lookup, input, input, element, memory);
  EDGE_REQUIRE_REGION(id, lookup, table, table, element, memory);
  EDGE_REQUIRE_REGION(id, lookup, output, output, element, memory);
  REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, input) && !edge_regions_overlap(output, table));
  return 0;
}

static edge_status check_s8(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_lookup_s8, 1, memory);
}

static edge_status check_s16(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_lookup_s16, 2, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_lookup_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 16;
}

static void run_s8(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_s8_lookup__ref(desc, base);
}

static void run_s16(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_s16_lookup__ref(desc, base);
}

const edge_kernel edge_kernel_lookup_s8 = {.name = "lookup_s8",
                                           .id = EDGE_KERNEL_lookup_s8,
                                           .desc_bytes = sizeof(edge_lookup_desc),
                                           .check = check_s8,
                                           .rows = rows,
                                           .row_work = row_work,
                                           .run = run_s8};

const edge_kernel edge_kernel_lookup_s16 = {.name = "lookup_s16",
                                            .id = EDGE_KERNEL_lookup_s16,
                                            .desc_bytes = sizeof(edge_lookup_desc),
                                            .check = check_s16,
                                            .rows = rows,
                                            .row_work = row_work,
                                            .run = run_s16};
