/* Strided copies: checks and the row of the table. */
#include "copy.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_copy, copy, field, reason, condition)

edge_copy_loops edge_copy_loops_of(const edge_copy_desc *d) {
  _Static_assert(EDGE_FIELD_copy_size_7 == EDGE_FIELD_copy_size_0 + 7 &&
                     EDGE_FIELD_copy_from_7 == EDGE_FIELD_copy_from_0 + 7 &&
                     EDGE_FIELD_copy_to_7 == EDGE_FIELD_copy_to_0 + 7,
                 "the loops stand side by side");
  edge_copy_loops loops;
  const uint32_t *words = (const uint32_t *)d;
  __builtin_memcpy(loops.size, words + EDGE_FIELD_copy_size_0, sizeof loops.size);
  __builtin_memcpy(loops.from, words + EDGE_FIELD_copy_from_0, sizeof loops.from);
  __builtin_memcpy(loops.to, words + EDGE_FIELD_copy_to_0, sizeof loops.to);
  return loops;
}

/* What a walk reaches, in elements: `below` before its start and `above` after it. */
typedef struct reach {
  uint64_t below, above;
} reach;

static reach reach_of(const uint32_t *size, const int32_t *step) {
  reach r = {0, 0};
  for (uint32_t k = 0; k < EDGE_COPY_LOOPS; k++) {
    const uint64_t magnitude = step[k] < 0 ? (uint64_t)(-(int64_t)step[k]) : (uint64_t)step[k];
    const uint64_t distance = edge_mul(size[k] - 1u, magnitude);
    if (step[k] < 0) {
      r.below = edge_add(r.below, distance);
    } else {
      r.above = edge_add(r.above, distance);
    }
  }
  return r;
}

/* The bytes between the walk's lowest and highest element; `start` is not below `r.below`. */
static edge_region region_of(uint32_t offset, uint32_t start, reach r, uint64_t element) {
  const edge_region region = {offset + (start - r.below) * element,
                              edge_mul(edge_add(edge_add(r.below, r.above), 1u), element)};
  return region;
}

static uint64_t rows(const void *desc) {
  const edge_copy_loops loops = edge_copy_loops_of(desc);
  uint64_t count = 1;
  for (uint32_t k = 0; k < EDGE_COPY_LOOPS; k++) count = edge_mul(count, loops.size[k]);
  return count;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_copy_desc *d = desc;
  const edge_copy_loops loops = edge_copy_loops_of(d);
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(element, RANGE, d->element == 1u || d->element == 2u || d->element == 4u || d->element == 8u);
  for (uint32_t k = 0; k < EDGE_COPY_LOOPS; k++) REQUIRE(size_0 + k, RANGE, loops.size[k] >= 1);
  REQUIRE(size_0, RANGE, rows(d) <= UINT32_MAX);
  const reach from = reach_of(loops.size, loops.from), to = reach_of(loops.size, loops.to);
  REQUIRE(input_start, RANGE, from.below <= d->input_start);
  REQUIRE(output_start, RANGE, to.below <= d->output_start);
  const edge_region input = region_of(d->input, d->input_start, from, d->element);
  const edge_region output = region_of(d->output, d->output_start, to, d->element);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_copy, copy, input, input, d->element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_copy, copy, output, output, d->element, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 16;
}

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)packed, (void)scratch;
  if (isa == EDGE_ISA_REF) {
    edge_copy__ref(desc, base);
  } else {
    edge_copy__runs(desc, base);
  }
}

const edge_kernel edge_kernel_copy = {.name = "copy",
                                      .id = EDGE_KERNEL_copy,
                                      .desc_bytes = sizeof(edge_copy_desc),
                                      .check = check,
                                      .rows = rows,
                                      .row_work = row_work,
                                      .run = run};
