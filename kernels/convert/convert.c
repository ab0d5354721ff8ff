/* Conversions between types: checks and the table rows. */
#include "convert.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, convert, field, reason, condition)

static const uint32_t BYTES[EDGE_CONVERT_TYPES] = {4, 2, 1, 1, 2, 4, 8, 1};

static int is_steps(uint32_t type) {
  return type == EDGE_CONVERT_S8 || type == EDGE_CONVERT_S16 || type == EDGE_CONVERT_S32;
}

static int zero_point_ok(int32_t value, uint32_t type) {
  return type != EDGE_CONVERT_S16 || (value >= -32768 && value <= 32767);
}

static edge_status check_types(const edge_convert_desc *d, edge_kernel_id id) {
  switch ((int)id) {
    case EDGE_KERNEL_cast:
      REQUIRE(from, RANGE, d->from < EDGE_CONVERT_TYPES);
      REQUIRE(to, RANGE, d->to < EDGE_CONVERT_TYPES && d->to != EDGE_CONVERT_F16);
      break;
    case EDGE_KERNEL_rescale:
      REQUIRE(from, RANGE, is_steps(d->from));
      REQUIRE(to, RANGE, is_steps(d->to));
      break;
    case EDGE_KERNEL_quantize_f32_s16:
      REQUIRE(from, RANGE, d->from == EDGE_CONVERT_F32);
      REQUIRE(to, RANGE, d->to == EDGE_CONVERT_S16);
      break;
    default:
      REQUIRE(from, RANGE, d->from == EDGE_CONVERT_S16);
      REQUIRE(to, RANGE, d->to == EDGE_CONVERT_F32);
  }
  return 0;
}

static edge_status check(const edge_convert_desc *d, edge_kernel_id id, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1);
  const edge_status status = check_types(d, id);
  if (status != 0) return status;
  REQUIRE(input_zero_point, RANGE, zero_point_ok(d->input_zero_point, d->from));
  REQUIRE(output_zero_point, RANGE, zero_point_ok(d->output_zero_point, d->to));
  REQUIRE(multiplier, RANGE, d->multiplier >= 0);
  REQUIRE(shift, RANGE, d->shift >= -31 && d->shift <= 30);
  const int scaled = id == EDGE_KERNEL_quantize_f32_s16 || id == EDGE_KERNEL_dequantize_s16_f32;
  REQUIRE(scale, RANGE, scaled ? d->scale > 0.0f && edge_is_finite(d->scale) : d->scale == 0.0f);
  const edge_region input = edge_region_of(d->input, (uint64_t)d->count * BYTES[d->from]);
  const edge_region output = edge_region_of(d->output, (uint64_t)d->count * BYTES[d->to]);
  EDGE_REQUIRE_REGION(id, convert, input, input, BYTES[d->from], memory);
  EDGE_REQUIRE_REGION(id, convert, output, output, BYTES[d->to], memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_convert_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 64;
}

EDGE_PLAIN_ROW(convert, cast, edge_cast__ref);
EDGE_PLAIN_ROW(convert, rescale, edge_rescale__ref);
EDGE_PLAIN_ROW(convert, quantize_f32_s16, edge_f32_s16_quantize__ref);
EDGE_PLAIN_ROW(convert, dequantize_s16_f32, edge_s16_f32_dequantize__ref);
