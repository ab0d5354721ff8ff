/* The greatest elements of each row: checks and the row of the table. */
#include "top_k.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, top_k, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, top_k, field, field, align, memory)

static edge_status check(const edge_top_k_desc *d, edge_kernel_id id, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(type, RANGE, d->type < EDGE_TOP_K_TYPES);
  REQUIRE(rows, RANGE, d->rows >= 1);
  REQUIRE(depth, RANGE, d->depth >= 1 && d->depth <= INT32_MAX);
  REQUIRE(k, RANGE, d->k >= 1 && d->k <= d->depth);
  const uint32_t element = edge_top_k_element(d->type);
  const uint64_t found = edge_mul(d->rows, d->k);
  const edge_region input = edge_region_of(d->input, edge_mul(edge_mul(d->rows, d->depth), element));
  const edge_region values = edge_region_of(d->values, edge_mul(found, element));
  const edge_region output = edge_region_of(d->output, edge_mul(found, 4));
  REQUIRE_REGION(input, element);
  REQUIRE_REGION(values, element);
  REQUIRE_REGION(output, 4);
  const edge_region others[] = {input, values};
  REQUIRE(values, OVERLAP, edge_region_clear(values, others, 1));
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 2));
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_top_k_desc *)desc)->rows; }

static uint64_t row_work(const void *desc) {
  const edge_top_k_desc *d = desc;
  return edge_add(edge_mul(d->depth, (uint64_t)d->k + 2u), EDGE_ROW_OVERHEAD);
}

EDGE_PLAIN_ROW(top_k, top_k, edge_top_k__ref);
