/* Convolution of int16 by int8: checks and the row of the table. */
#include "conv16.h"

#include "../common/check.h"
#include "../common/math_f64.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, conv16, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, conv16, field, field, align, memory)

static edge_status check_shape(const edge_conv16_desc *d, edge_kernel_id id) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_h, RANGE, d->input_h >= 1);
  REQUIRE(input_w, RANGE, d->input_w >= 1);
  REQUIRE(groups, RANGE, d->groups >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1 && d->input_c % d->groups == 0);
  REQUIRE(output_c, RANGE, d->output_c >= 1 && d->output_c % d->groups == 0);
  REQUIRE(filter_h, RANGE, edge_window_size_ok(d->filter_h));
  REQUIRE(filter_w, RANGE, edge_window_size_ok(d->filter_w));
  REQUIRE(stride_h, RANGE, edge_window_size_ok(d->stride_h));
  REQUIRE(stride_w, RANGE, edge_window_size_ok(d->stride_w));
  REQUIRE(dilation_h, RANGE, edge_window_size_ok(d->dilation_h));
  REQUIRE(dilation_w, RANGE, edge_window_size_ok(d->dilation_w));
  REQUIRE(pad_top, RANGE, d->pad_top < (uint64_t)d->filter_h * d->dilation_h);
  REQUIRE(pad_left, RANGE, d->pad_left < (uint64_t)d->filter_w * d->dilation_w);
  REQUIRE(output_h, RANGE, edge_windows_start_inside(d->input_h, d->output_h, d->stride_h, d->pad_top));
  REQUIRE(output_w, RANGE, edge_windows_start_inside(d->input_w, d->output_w, d->stride_w, d->pad_left));
  REQUIRE(act_min, RANGE, d->act_min >= INT16_MIN && d->act_min <= d->act_max && d->act_max <= INT16_MAX);
  return 0;
}

static uint64_t depth(const edge_conv16_desc *d) {
  return edge_mul(edge_mul(d->filter_h, d->filter_w), d->input_c / d->groups);
}

static edge_status check_regions(const edge_conv16_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const uint64_t n = d->output_c;
  const uint64_t pixels_in = edge_mul((uint64_t)d->batch * d->input_h, d->input_w);
  const uint64_t pixels_out = edge_mul((uint64_t)d->batch * d->output_h, d->output_w);
  const edge_region input = edge_region_of(d->input, edge_mul(edge_mul(pixels_in, d->input_c), 2));
  const edge_region filter = edge_region_of(d->filter, edge_mul(n, depth(d)));
  const edge_region bias = edge_region_of(d->bias, d->bias != 0 ? n * 8u : 0);
  const edge_region multiplier = edge_region_of(d->multiplier, d->scale == 0 ? n * 4u : 0);
  const edge_region shift = edge_region_of(d->shift, d->scale == 0 ? n * 4u : 0);
  const edge_region scale = edge_region_of(d->scale, d->scale != 0 ? n * 8u : 0);
  const edge_region output = edge_region_of(d->output, edge_mul(edge_mul(pixels_out, n), 2));
  REQUIRE_REGION(input, 2);
  REQUIRE_REGION(filter, 1);
  if (d->bias != 0) REQUIRE_REGION(bias, 8);
  if (d->scale != 0) {
    REQUIRE(multiplier, RANGE, d->multiplier == 0 && d->shift == 0);
    REQUIRE_REGION(scale, 8);
  } else {
    REQUIRE_REGION(multiplier, 4);
    REQUIRE_REGION(shift, 4);
  }
  REQUIRE_REGION(output, 2);
  const edge_region others[] = {input, filter, bias, multiplier, shift, scale};
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 6));
  return 0;
}

static edge_status check(const edge_conv16_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const edge_status status = check_shape(d, id);
  return status != 0 ? status : check_regions(d, id, memory);
}

static uint64_t rows(const void *desc) {
  const edge_conv16_desc *d = desc;
  return edge_mul(edge_mul(d->batch, d->output_h), d->output_w);
}

static uint64_t row_work(const void *desc) {
  const edge_conv16_desc *d = desc;
  return edge_add(edge_mul(d->output_c, edge_add(depth(d), 8)), EDGE_ROW_OVERHEAD);
}

EDGE_LOOPS_ROW(conv16, conv2d_s16, edge_qs16_conv2d);
