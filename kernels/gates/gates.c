/* One step of a recurrent layer's dense part: checks and the rows of the table. */
#include "gates.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, gates, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, gates, field, field, align, memory)

static int scale_ok(int32_t multiplier, int32_t shift) { return multiplier >= 0 && shift >= -31 && shift <= 30; }

static edge_status check_sizes(const edge_gates_desc *d, edge_kernel_id id) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(units, RANGE, d->units >= 1);
  REQUIRE(input_stride, RANGE, d->input_stride >= d->input_c);
  REQUIRE(output_stride, RANGE, d->output_stride >= d->units);
  if (id == EDGE_KERNEL_project_s8) REQUIRE(recurrent_c, RANGE, d->recurrent_c == 0);
  if (id != EDGE_KERNEL_gates_s8 || d->recurrent_c == 0) REQUIRE(recurrent_bias, RANGE, d->recurrent_bias == 0);
  return 0;
}

static edge_status check_scales(const edge_gates_desc *d, edge_kernel_id id) {
  if (id == EDGE_KERNEL_gates_f32) {
    REQUIRE(multiplier, RANGE, d->multiplier == 0 && d->shift == 0);
    REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f);
  } else {
    REQUIRE(multiplier, RANGE, scale_ok(d->multiplier, d->shift));
  }
  if (id == EDGE_KERNEL_gates_s8) {
    REQUIRE(recurrent_multiplier, RANGE, scale_ok(d->recurrent_multiplier, d->recurrent_shift));
    REQUIRE(act_min, RANGE, d->act_min.i == 0 && d->act_max.i == 0);
  } else {
    REQUIRE(recurrent_multiplier, RANGE, d->recurrent_multiplier == 0 && d->recurrent_shift == 0);
  }
  if (id == EDGE_KERNEL_project_s8) {
    REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
    REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  } else {
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
  }
  return 0;
}

/* The part of a sequence from the first to the last element of one step. */
static edge_region strided(uint32_t offset, uint32_t at, uint32_t batch, uint32_t stride, uint32_t count,
                           uint64_t element) {
  const uint64_t extent = edge_add(edge_mul(batch - 1u, stride), count);
  const edge_region region = {edge_add(offset, edge_mul(at, element)), edge_mul(extent, element)};
  return region;
}

static edge_status check_regions(const edge_gates_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const uint32_t in = id == EDGE_KERNEL_gates_f32 ? 4 : 1;
  const uint32_t out = id == EDGE_KERNEL_gates_f32 ? 4 : (id == EDGE_KERNEL_gates_s8 ? 2 : 1);
  const uint64_t batch = d->batch, units = d->units, input_c = d->input_c, recurrent_c = d->recurrent_c;
  const edge_region input = strided(d->input, d->input_at, d->batch, d->input_stride, d->input_c, in);
  const edge_region input_weights = edge_region_of(d->input_weights, edge_mul(units * input_c, in));
  const edge_region recurrent = edge_region_of(d->recurrent, edge_mul(batch * recurrent_c, in));
  const edge_region recurrent_weights = edge_region_of(d->recurrent_weights, edge_mul(units * recurrent_c, in));
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? units * 4u : 0);
  const edge_region recurrent_bias = edge_region_of(d->recurrent_bias, d->recurrent_bias != 0 ? units * 4u : 0);
  const edge_region output = strided(d->output, d->output_at, d->batch, d->output_stride, d->units, out);
  const edge_region kept = edge_region_of(d->kept, d->kept != 0 ? edge_mul(batch * units, out) : 0);
  REQUIRE_REGION(input, in);
  REQUIRE_REGION(input_weights, in);
  if (recurrent_c != 0) {
    REQUIRE_REGION(recurrent, in);
    REQUIRE_REGION(recurrent_weights, in);
  }
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  if (d->recurrent_bias != 0) REQUIRE_REGION(recurrent_bias, 4);
  REQUIRE_REGION(output, out);
  if (d->kept != 0) REQUIRE_REGION(kept, out);
  const edge_region others[] = {input, input_weights, recurrent, recurrent_weights, bias, recurrent_bias, kept};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 7));
  REQUIRE(kept, OVERLAP, edge_region_clear(kept, others, 6));
  return 0;
}

static edge_status check(const edge_gates_desc *d, edge_kernel_id id, const edge_memory *memory) {
  edge_status status = check_sizes(d, id);
  if (status == 0) status = check_scales(d, id);
  return status != 0 ? status : check_regions(d, id, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_gates_desc *)desc)->units; }

static uint64_t row_work(const void *desc) {
  const edge_gates_desc *d = desc;
  return edge_mul(d->batch, (uint64_t)d->input_c + d->recurrent_c + EDGE_ROW_OVERHEAD);
}

EDGE_LOOPS_ROW(gates, gates_s8, edge_qs8_gates);
EDGE_LOOPS_ROW(gates, gates_f32, edge_f32_gates);
EDGE_LOOPS_ROW(gates, project_s8, edge_qs8_project);
