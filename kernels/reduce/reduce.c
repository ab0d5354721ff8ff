/* Reductions: checks and the row of the table. */
#include "reduce.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_reduce, reduce, field, reason, condition)

static const uint32_t element_bytes[EDGE_REDUCE_TYPES] = {1, 2, 4, 8, 4, 1};

static int is_index(const edge_reduce_desc *d) {
  return d->operation == EDGE_REDUCE_ARG_MAX || d->operation == EDGE_REDUCE_ARG_MIN;
}

/* 1 if the type has the operation. */
static int goes_with(uint32_t operation, uint32_t type) {
  const int logical = operation == EDGE_REDUCE_ANY || operation == EDGE_REDUCE_ALL;
  return logical == (type == EDGE_REDUCE_BOOL);
}

static int is_scaled(const edge_reduce_desc *d) {
  return d->type <= EDGE_REDUCE_S16 &&
         (d->operation == EDGE_REDUCE_SUM || d->operation == EDGE_REDUCE_PRODUCT || d->operation == EDGE_REDUCE_MEAN);
}

static edge_status check_numbers(const edge_reduce_desc *d) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(outer, RANGE, d->outer >= 1);
  REQUIRE(reduced, RANGE, d->reduced >= 1 && d->reduced <= (UINT32_C(1) << 23));
  REQUIRE(inner, RANGE, d->inner >= 1);
  REQUIRE(operation, RANGE, d->operation < EDGE_REDUCE_OPERATIONS);
  REQUIRE(type, RANGE, d->type < EDGE_REDUCE_TYPES && goes_with(d->operation, d->type));
  REQUIRE(index_bytes, RANGE, is_index(d) ? d->index_bytes == 4 || d->index_bytes == 8 : d->index_bytes == 0);
  if (!is_scaled(d)) {
    REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
    REQUIRE(multiplier, RANGE, d->multiplier == 0);
    REQUIRE(shift, RANGE, d->shift == 0);
    return 0;
  }
  REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
  REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
  REQUIRE(multiplier, RANGE, d->multiplier >= 0);
  if (d->operation == EDGE_REDUCE_PRODUCT) {
    REQUIRE(shift, RANGE, d->shift >= -31 && d->shift <= 7);
  } else {
    REQUIRE(shift, RANGE, d->shift >= -62 && d->shift <= 30);
  }
  return 0;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_reduce_desc *d = desc;
  const edge_status status = check_numbers(d);
  if (status != 0) return status;
  const uint64_t element = element_bytes[d->type];
  const uint64_t result = is_index(d) ? d->index_bytes : element;
  const uint64_t results = edge_mul(d->outer, d->inner);
  const edge_region input = edge_region_of(d->input, edge_mul(edge_mul(results, d->reduced), element));
  const edge_region output = edge_region_of(d->output, edge_mul(results, result));
  EDGE_REQUIRE_REGION(EDGE_KERNEL_reduce, reduce, input, input, element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_reduce, reduce, output, output, result, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static uint64_t rows(const void *desc) {
  const edge_reduce_desc *d = desc;
  return edge_mul(d->outer, d->inner);
}

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_reduce_desc *)desc)->reduced * 8u + 16u; }

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_reduce__ref(desc, base);
}

const edge_kernel edge_kernel_reduce = {.name = "reduce",
                                        .id = EDGE_KERNEL_reduce,
                                        .desc_bytes = sizeof(edge_reduce_desc),
                                        .check = check,
                                        .rows = rows,
                                        .row_work = row_work,
                                        .run = run};
