/* Boxes: checks and the table row. */
#include "boxes.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_decode_boxes_f32, boxes, field, reason, condition)

static int is_divisor(float x) { return edge_is_finite(x) && x != 0.0f; }

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_boxes_desc *d = desc;
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1);
  REQUIRE(columns, RANGE, d->columns >= 4);
  REQUIRE(y_scale, RANGE, is_divisor(d->y_scale));
  REQUIRE(x_scale, RANGE, is_divisor(d->x_scale));
  REQUIRE(h_scale, RANGE, is_divisor(d->h_scale));
  REQUIRE(w_scale, RANGE, is_divisor(d->w_scale));
  const edge_region read[] = {edge_region_of(d->input, edge_mul(d->count, d->columns * UINT64_C(4))),
                              edge_region_of(d->anchors, d->count * UINT64_C(16))};
  const edge_region output = edge_region_of(d->output, d->count * UINT64_C(16));
  EDGE_REQUIRE_REGION(EDGE_KERNEL_decode_boxes_f32, boxes, input, read[0], 4, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_decode_boxes_f32, boxes, anchors, read[1], 4, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_decode_boxes_f32, boxes, output, output, 4, memory);
  REQUIRE(output, OVERLAP, edge_region_clear(output, read, 2));
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_boxes_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 256;
}

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_decode_boxes__ref(desc, base);
}

const edge_kernel edge_kernel_decode_boxes_f32 = {.name = "decode_boxes_f32",
                                                  .id = EDGE_KERNEL_decode_boxes_f32,
                                                  .desc_bytes = sizeof(edge_boxes_desc),
                                                  .check = check,
                                                  .rows = rows,
                                                  .row_work = row_work,
                                                  .run = run};
