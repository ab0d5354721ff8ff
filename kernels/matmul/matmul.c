/* Products of two computed matrices: checks and the rows of the table. */
#include "matmul.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, matmul, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, matmul, field, field, align, memory)

static edge_status check_f32(const edge_matmul_desc *d, edge_kernel_id id) {
  REQUIRE(x_zero_point, RANGE, d->x_zero_point == 0 && d->y_zero_point == 0 && d->output_zero_point == 0);
  REQUIRE(multiplier, RANGE, d->multiplier == 0 && d->shift == 0);
  REQUIRE(scale, RANGE, d->scale == 0);
  REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f);
  return 0;
}

static edge_status check_s8(const edge_matmul_desc *d, edge_kernel_id id) {
  REQUIRE(x_zero_point, RANGE, edge_zero_point_ok(d->x_zero_point));
  REQUIRE(y_zero_point, RANGE, edge_zero_point_ok(d->y_zero_point));
  REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
  REQUIRE(multiplier, RANGE, d->multiplier >= 0);
  REQUIRE(shift, RANGE, d->shift >= -31 && d->shift <= 30);
  REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  return 0;
}

static edge_status check_s16(const edge_matmul_desc *d, edge_kernel_id id) {
  REQUIRE(x_zero_point, RANGE, d->x_zero_point == 0 && d->y_zero_point == 0 && d->output_zero_point == 0);
  REQUIRE(bias, RANGE, d->bias == 0);
  REQUIRE(scale, RANGE, d->scale == 0);
  REQUIRE(multiplier, RANGE, d->multiplier >= 0);
  REQUIRE(shift, RANGE, d->shift >= -31 && d->shift <= 14);
  REQUIRE(act_min, RANGE, d->act_min.i >= INT16_MIN && d->act_min.i <= d->act_max.i && d->act_max.i <= INT16_MAX);
  return 0;
}

static edge_status check_regions(const edge_matmul_desc *d, edge_kernel_id id, uint32_t element,
                                 const edge_memory *memory) {
  const uint64_t of_x = edge_mul(edge_mul(d->m, d->k), d->x_repeats != 0 ? 1u : d->batch);
  const uint64_t of_y = edge_mul(edge_mul(d->k, d->n), d->y_repeats != 0 ? 1u : d->batch);
  const edge_region x = edge_region_of(d->x, edge_mul(of_x, element)),
                    y = edge_region_of(d->y, edge_mul(of_y, element));
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? (uint64_t)d->n * 4u : 0);
  const edge_region scale = edge_region_of(d->scale, d->scale != 0 ? 8u : 0);
  const edge_region output = edge_region_of(d->output, edge_mul(edge_mul(edge_mul(d->batch, d->m), d->n), element));
  REQUIRE_REGION(x, element);
  REQUIRE_REGION(y, element);
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  if (d->scale != 0) REQUIRE_REGION(scale, 8);
  REQUIRE_REGION(output, element);
  const edge_region others[] = {x, y, bias, scale};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 4));
  return 0;
}

static edge_status check(const edge_matmul_desc *d, edge_kernel_id id, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(m, RANGE, d->m >= 1);
  REQUIRE(k, RANGE, d->k >= 1);
  REQUIRE(n, RANGE, d->n >= 1);
  REQUIRE(x_repeats, RANGE, d->x_repeats <= 1);
  REQUIRE(y_repeats, RANGE, d->y_repeats <= 1);
  edge_status status = 0;
  if (id == EDGE_KERNEL_matmul_f32) status = check_f32(d, id);
  if (id == EDGE_KERNEL_matmul_s8) status = check_s8(d, id);
  if (id == EDGE_KERNEL_matmul_s16) status = check_s16(d, id);
  const uint32_t element = id == EDGE_KERNEL_matmul_f32 ? 4 : (id == EDGE_KERNEL_matmul_s8 ? 1 : 2);
  return status != 0 ? status : check_regions(d, id, element, memory);
}

static uint64_t rows(const void *desc) {
  const edge_matmul_desc *d = desc;
  return edge_mul(d->batch, d->m);
}

static uint64_t row_work(const void *desc) {
  const edge_matmul_desc *d = desc;
  return edge_add(edge_mul(edge_add(d->k, 8), d->n), EDGE_ROW_OVERHEAD);
}

EDGE_LOOPS_ROW(matmul, matmul_f32, edge_f32_matmul);
EDGE_LOOPS_ROW(matmul, matmul_s8, edge_qs8_matmul);
EDGE_LOOPS_ROW(matmul, matmul_s16, edge_qs16_matmul);
