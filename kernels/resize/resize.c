/* Resizing of images: checks and the row of the table. */
#include "resize.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_resize_bilinear, resize, field, reason, condition)

static const uint32_t element_bytes[EDGE_RESIZE_TYPES] = {1, 2, 4, 1};

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_resize_desc *d = desc;
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_h, RANGE, edge_window_size_ok(d->input_h));
  REQUIRE(input_w, RANGE, edge_window_size_ok(d->input_w));
  REQUIRE(output_h, RANGE, edge_window_size_ok(d->output_h));
  REQUIRE(output_w, RANGE, edge_window_size_ok(d->output_w));
  REQUIRE(channels, RANGE, d->channels >= 1);
  REQUIRE(type, RANGE, d->type < EDGE_RESIZE_TYPES);
  REQUIRE(align_corners, RANGE, d->align_corners <= 1);
  REQUIRE(half_pixel_centers, RANGE, d->half_pixel_centers <= 1 && d->align_corners + d->half_pixel_centers < 2);
  const uint64_t element = element_bytes[d->type];
  const uint64_t deep = edge_mul(edge_mul(d->batch, d->channels), element);
  const edge_region input = edge_region_of(d->input, edge_mul(deep, (uint64_t)d->input_h * d->input_w));
  const edge_region output = edge_region_of(d->output, edge_mul(deep, (uint64_t)d->output_h * d->output_w));
  EDGE_REQUIRE_REGION(EDGE_KERNEL_resize_bilinear, resize, input, input, element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_resize_bilinear, resize, output, output, element, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static uint64_t rows(const void *desc) {
  const edge_resize_desc *d = desc;
  return edge_mul(d->batch, (uint64_t)d->output_h * d->output_w);
}

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_resize_desc *)desc)->channels * 16u + 64u; }

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_resize_bilinear__ref(desc, base);
}

const edge_kernel edge_kernel_resize_bilinear = {.name = "resize_bilinear",
                                                 .id = EDGE_KERNEL_resize_bilinear,
                                                 .desc_bytes = sizeof(edge_resize_desc),
                                                 .check = check,
                                                 .rows = rows,
                                                 .row_work = row_work,
                                                 .run = run};
