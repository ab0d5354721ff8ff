/* Element-wise kernels: checks and the table rows. */
#include "elementwise.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, elementwise, field, reason, condition)

static edge_status check_common(const edge_elementwise_desc *d, edge_kernel_id id) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1);
  REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
  REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
  REQUIRE(input_xor, RANGE, d->input_xor == 0 || d->input_xor == 0x80);
  REQUIRE(output_xor, RANGE, d->output_xor == 0 || d->output_xor == 0x80);
  if (id == EDGE_KERNEL_requantize_s8) {
    REQUIRE(multiplier, RANGE, d->multiplier >= 0);
    REQUIRE(shift, RANGE, d->shift >= -31 && d->shift <= 30);
  } else {
    REQUIRE(multiplier, RANGE, d->multiplier == 0);
    REQUIRE(shift, RANGE, d->shift == 0);
  }
  if (id == EDGE_KERNEL_quantize_f32_s8 || id == EDGE_KERNEL_dequantize_s8_f32) {
    REQUIRE(scale, RANGE, d->scale > 0.0f && edge_is_finite(d->scale));
  } else {
    REQUIRE(scale, RANGE, d->scale == 0.0f);
  }
  return 0;
}

/* The output may be the very bytes of the input. */
static edge_status check_regions(const edge_elementwise_desc *d, edge_kernel_id id, uint64_t in_bytes,
                                 uint64_t out_bytes, const edge_memory *memory) {
  const edge_region input = edge_region_of(d->input, d->count * in_bytes);
  const edge_region output = edge_region_of(d->output, d->count * out_bytes);
  EDGE_REQUIRE_REGION(id, elementwise, input, input, in_bytes, memory);
  EDGE_REQUIRE_REGION(id, elementwise, output, output, out_bytes, memory);
  REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, input)); /* unequal sizes are never the same region */
  return 0;
}

static edge_status check_quantize(const void *desc, const edge_memory *memory) {
  const edge_elementwise_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_quantize_f32_s8;
  const edge_status status = check_common(d, id);
  if (status != 0) return status;
  REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  return check_regions(d, id, 4, 1, memory);
}

static edge_status check_dequantize(const void *desc, const edge_memory *memory) {
  const edge_elementwise_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_dequantize_s8_f32;
  const edge_status status = check_common(d, id);
  return status != 0 ? status : check_regions(d, id, 1, 4, memory);
}

static edge_status check_requantize(const void *desc, const edge_memory *memory) {
  const edge_elementwise_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_requantize_s8;
  const edge_status status = check_common(d, id);
  if (status != 0) return status;
  REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  return check_regions(d, id, 1, 1, memory);
}

static edge_status check_clamp(const void *desc, const edge_memory *memory) {
  const edge_elementwise_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_clamp_f32;
  const edge_status status = check_common(d, id);
  if (status != 0) return status;
  REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f);
  return check_regions(d, id, 4, 4, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_elementwise_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 16;
}

static void requantize(const edge_elementwise_desc *d, edge_isa isa, uint8_t *base) {
  if (isa == EDGE_ISA_REF || d->end - d->begin < 256) {
    EDGE_RUN_LOOPS(edge_qs8_requantize, isa, d, base);
  } else {
    EDGE_RUN_LOOPS(edge_qs8_requantize_table, isa, d, base);
  }
}

/* Defines the row of kernel NAME. */
#define ELEMENTWISE_ROW(NAME, CHECK, CALL)                                                                   \
  static void run_##NAME(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)packed, (void)scratch;                                                                             \
    CALL;                                                                                                    \
  }                                                                                                          \
  const edge_kernel edge_kernel_##NAME = {.name = #NAME,                                                     \
                                          .id = EDGE_KERNEL_##NAME,                                          \
                                          .desc_bytes = sizeof(edge_elementwise_desc),                       \
                                          .check = CHECK,                                                    \
                                          .rows = rows,                                                      \
                                          .row_work = row_work,                                              \
                                          .run = run_##NAME};

ELEMENTWISE_ROW(quantize_f32_s8, check_quantize, EDGE_RUN_LOOPS(edge_f32_qs8_quantize, isa, desc, base))
ELEMENTWISE_ROW(dequantize_s8_f32, check_dequantize, EDGE_RUN_LOOPS(edge_qs8_f32_dequantize, isa, desc, base))
ELEMENTWISE_ROW(requantize_s8, check_requantize, requantize(desc, isa, base))
ELEMENTWISE_ROW(clamp_f32, check_clamp, EDGE_RUN_LOOPS(edge_f32_clamp, isa, desc, base))
