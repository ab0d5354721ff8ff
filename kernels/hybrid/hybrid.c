/* Dense layers of int8 weights over rounded floats: checks and the row of the table. */
#include "hybrid.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, hybrid, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, hybrid, field, field, align, memory)

static edge_status check_numbers(const edge_hybrid_desc *d, edge_kernel_id id) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(units, RANGE, d->units >= 1);
  REQUIRE(input_stride, RANGE, d->input_stride >= 1);
  REQUIRE(output_stride, RANGE, d->output_stride >= d->units);
  REQUIRE(symmetric, RANGE, d->symmetric <= 1);
  REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f); /* false for a NaN */
  return 0;
}

/* The `bytes` of each sample from the first to the last of one step; the numbers of samples fit 32 bits, or none of
 * these regions is inside the memory. */
static edge_region samples_of(uint32_t offset, const edge_hybrid_desc *d, uint64_t bytes) {
  const uint64_t last = edge_mul(d->batch - 1u, d->input_stride);
  const edge_region region = {edge_add(offset, edge_mul(d->input_at, bytes)), edge_mul(edge_add(last, 1), bytes)};
  return region;
}

static edge_status check_regions(const edge_hybrid_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const uint64_t units = d->units, batch = d->batch, recurrent_c = d->recurrent_c;
  const uint64_t blocks = edge_dynamic_blocks(d->input_c);
  const uint64_t recurrent_blocks = recurrent_c != 0 ? edge_dynamic_blocks(d->recurrent_c) : 0;
  const edge_region input = samples_of(d->input, d, d->input_c), ranges = samples_of(d->ranges, d, blocks * 8u);
  const edge_region input_weights = edge_region_of(d->input_weights, edge_mul(units, d->input_c));
  const edge_region factors = edge_region_of(d->factors, units * 4u);
  const edge_region recurrent = edge_region_of(d->recurrent, edge_mul(batch, recurrent_c));
  const edge_region recurrent_ranges = edge_region_of(d->recurrent_ranges, edge_mul(batch, recurrent_blocks * 8u));
  const edge_region recurrent_weights = edge_region_of(d->recurrent_weights, edge_mul(units, recurrent_c));
  const edge_region recurrent_factors = edge_region_of(d->recurrent_factors, recurrent_c != 0 ? units * 4u : 0);
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? units * 4u : 0);
  const uint64_t extent = edge_add(edge_mul(batch - 1u, d->output_stride), units);
  const edge_region output = {edge_add(d->output, (uint64_t)d->output_at * 4u), edge_mul(extent, 4)};
  const edge_region kept = edge_region_of(d->kept, d->kept != 0 ? edge_mul(edge_mul(batch, units), 4) : 0);
  REQUIRE_REGION(input, 1);
  REQUIRE_REGION(ranges, 4);
  REQUIRE_REGION(input_weights, 1);
  REQUIRE_REGION(factors, 4);
  if (recurrent_c != 0) {
    REQUIRE_REGION(recurrent, 1);
    REQUIRE_REGION(recurrent_ranges, 4);
    REQUIRE_REGION(recurrent_weights, 1);
    REQUIRE_REGION(recurrent_factors, 4);
  }
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  REQUIRE_REGION(output, 4);
  if (d->kept != 0) REQUIRE_REGION(kept, 4);
  const edge_region others[] = {
      input, ranges, input_weights, factors, recurrent, recurrent_ranges, recurrent_weights, recurrent_factors,
      bias,  kept};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 10));
  REQUIRE(kept, OVERLAP, edge_region_clear(kept, others, 9));
  return 0;
}

static edge_status check(const edge_hybrid_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const edge_status status = check_numbers(d, id);
  return status != 0 ? status : check_regions(d, id, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_hybrid_desc *)desc)->units; }

static uint64_t row_work(const void *desc) {
  const edge_hybrid_desc *d = desc;
  return edge_mul(d->batch, (uint64_t)d->input_c + d->recurrent_c + EDGE_ROW_OVERHEAD);
}

EDGE_LOOPS_ROW(hybrid, hybrid_f32, edge_f32_hybrid);
