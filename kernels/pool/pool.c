/* Average and maximum pool: checks and the choice of a kernel. */
#include "pool.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, pool, field, reason, condition)

/* `element`: bytes of one. */
static int range_ok(const edge_pool_desc *d, uint64_t element) {
  switch (element) {
    case 1:
      return edge_s8_range_ok(d->act_min.i, d->act_max.i);
    case 2:
      return d->act_min.i >= INT16_MIN && d->act_min.i <= d->act_max.i && d->act_max.i <= INT16_MAX;
    default:
      return d->act_min.f <= d->act_max.f; /* false for a NaN */
  }
}

static edge_status check(const edge_pool_desc *d, edge_kernel_id id, uint64_t element, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_h, RANGE, d->input_h >= 1);
  REQUIRE(input_w, RANGE, d->input_w >= 1);
  REQUIRE(channels, RANGE, d->channels >= 1);
  REQUIRE(filter_h, RANGE, edge_window_size_ok(d->filter_h));
  REQUIRE(filter_w, RANGE, edge_window_size_ok(d->filter_w));
  REQUIRE(stride_h, RANGE, edge_window_size_ok(d->stride_h));
  REQUIRE(stride_w, RANGE, edge_window_size_ok(d->stride_w));
  REQUIRE(pad_top, RANGE, d->pad_top < d->filter_h);
  REQUIRE(pad_left, RANGE, d->pad_left < d->filter_w);
  REQUIRE(output_h, RANGE, edge_windows_start_inside(d->input_h, d->output_h, d->stride_h, d->pad_top));
  REQUIRE(output_w, RANGE, edge_windows_start_inside(d->input_w, d->output_w, d->stride_w, d->pad_left));
  REQUIRE(filter_w, RANGE, element != 2 || (uint64_t)d->filter_h * d->filter_w <= UINT16_MAX); /* the sum is 32 bits */
  REQUIRE(act_min, RANGE, range_ok(d, element));
  const uint64_t pixel = edge_mul(d->channels, element);
  const edge_region input =
      edge_region_of(d->input, edge_mul(edge_mul((uint64_t)d->batch * d->input_h, d->input_w), pixel));
  const edge_region output =
      edge_region_of(d->output, edge_mul(edge_mul((uint64_t)d->batch * d->output_h, d->output_w), pixel));
  EDGE_REQUIRE_REGION(id, pool, input, input, element, memory);
  EDGE_REQUIRE_REGION(id, pool, output, output, element, memory);
  REQUIRE(output, OVERLAP, !edge_regions_overlap(output, input));
  return 0;
}

static uint64_t rows(const void *desc) {
  const edge_pool_desc *d = desc;
  return (uint64_t)d->batch * d->output_h;
}

static uint64_t row_work(const void *desc) {
  const edge_pool_desc *d = desc;
  const uint64_t pixel = edge_mul(edge_mul(d->channels, (uint64_t)d->filter_h * d->filter_w), 4u);
  return edge_mul(d->output_w, edge_add(pixel, EDGE_ROW_OVERHEAD));
}

#if defined(EDGE_BUILD_X86)
#define FAST __avx2
#else
#define FAST __blocks
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* Defines the row of kernel NAME, whose functions begin with PREFIX. */
#define POOL_ROW(NAME, PREFIX, ELEMENT_BYTES)                                                                \
  static edge_status check_##NAME(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_##NAME, ELEMENT_BYTES, memory);                                           \
  }                                                                                                          \
  static void run_##NAME(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)packed, (void)scratch;                                                                             \
    if (isa == EDGE_ISA_REF) {                                                                               \
      JOIN(PREFIX, __ref)(desc, base);                                                                       \
    } else {                                                                                                 \
      JOIN(PREFIX, FAST)(desc, base);                                                                        \
    }                                                                                                        \
  }                                                                                                          \
  const edge_kernel edge_kernel_##NAME = {.name = #NAME,                                                     \
                                          .id = EDGE_KERNEL_##NAME,                                          \
                                          .desc_bytes = sizeof(edge_pool_desc),                              \
                                          .check = check_##NAME,                                             \
                                          .rows = rows,                                                      \
                                          .row_work = row_work,                                              \
                                          .run = run_##NAME};

POOL_ROW(average_pool_s8, edge_qs8_average_pool, 1)
POOL_ROW(average_pool_u8, edge_qu8_average_pool, 1)
POOL_ROW(average_pool_s16, edge_qs16_average_pool, 2)
POOL_ROW(average_pool_f32, edge_f32_average_pool, 4)
POOL_ROW(max_pool_s8, edge_qs8_max_pool, 1)
POOL_ROW(max_pool_s16, edge_qs16_max_pool, 2)
POOL_ROW(max_pool_f32, edge_f32_max_pool, 4)
