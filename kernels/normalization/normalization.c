/* Normalisation: checks and the table rows. */
#include "normalization.h"

#include "../common/check.h"

#define TABLE_BYTES (513u * 2u)
#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, normalization, field, reason, condition)
#define REQUIRE_REGION(field, region, align) EDGE_REQUIRE_REGION(id, normalization, field, region, align, memory)

/* Bytes of an element. */
typedef struct widths {
  uint32_t input, output;
} widths;

static widths widths_of(edge_kernel_id id) {
  switch (id) {
    case EDGE_KERNEL_softmax_s8_s16:
      return (widths){1, 2};
    case EDGE_KERNEL_softmax_s16:
      return (widths){2, 2};
    case EDGE_KERNEL_log_softmax_s8:
    case EDGE_KERNEL_l2_normalization_s8:
      return (widths){1, 1};
    default:
      return (widths){4, 4};
  }
}

static edge_status check_numbers(const edge_normalization_desc *d, edge_kernel_id id) {
  const int is_log = id == EDGE_KERNEL_log_softmax_s8, is_fixed = is_log || id == EDGE_KERNEL_softmax_s8_s16;
  const int is_table = id == EDGE_KERNEL_softmax_s16, is_local = id == EDGE_KERNEL_local_response_normalization_f32;
  const int is_l2 = id == EDGE_KERNEL_l2_normalization_s8;
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(rows, RANGE, d->rows >= 1);
  REQUIRE(depth, RANGE, d->depth >= 1 && d->depth <= 32768);
  REQUIRE(multiplier, RANGE, is_fixed || is_table ? d->multiplier >= 0 : d->multiplier == 0);
  REQUIRE(shift, RANGE, d->shift >= (is_table ? -31 : 0) && d->shift <= (is_fixed || is_table ? 31 : is_l2 ? 7 : 0));
  REQUIRE(shift, RANGE, !is_l2 || d->shift == 0 || d->shift == 7);
  REQUIRE(reverse_multiplier, RANGE, is_log ? d->reverse_multiplier >= 0 : d->reverse_multiplier == 0);
  REQUIRE(reverse_shift, RANGE, d->reverse_shift >= (is_log ? -31 : 0) && d->reverse_shift <= is_log);
  REQUIRE(diff_min, RANGE, d->diff_min <= 0 && d->diff_min >= (is_fixed ? -INT32_MAX : 0));
  REQUIRE(zero_point, RANGE, is_l2 ? edge_zero_point_ok(d->zero_point) : d->zero_point == 0);
  REQUIRE(radius, RANGE, d->radius <= (is_local ? 32768u : 0u));
  REQUIRE(bias, RANGE, is_local ? edge_is_finite(d->bias) : d->bias == 0.0f);
  REQUIRE(alpha, RANGE, is_local ? edge_is_finite(d->alpha) : d->alpha == 0.0f);
  REQUIRE(beta, RANGE, is_local ? edge_is_finite(d->beta) : d->beta == 0.0f);
  return 0;
}

static edge_status check(const edge_normalization_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const edge_status status = check_numbers(d, id);
  if (status != 0) return status;
  const widths width = widths_of(id);
  const uint64_t elements = (uint64_t)d->rows * d->depth;
  const edge_region input = edge_region_of(d->input, elements * width.input);
  const edge_region output = edge_region_of(d->output, elements * width.output);
  const edge_region tables[] = {edge_region_of(d->exponentials, TABLE_BYTES),
                                edge_region_of(d->reciprocals, TABLE_BYTES)};
  REQUIRE_REGION(input, input, width.input);
  REQUIRE_REGION(output, output, width.output);
  if (id == EDGE_KERNEL_softmax_s16) {
    REQUIRE_REGION(exponentials, tables[0], 2);
    REQUIRE_REGION(reciprocals, tables[1], 2);
    REQUIRE(output, OVERLAP, edge_region_clear(output, tables, 2));
  }
  if (width.input != width.output || id == EDGE_KERNEL_local_response_normalization_f32) {
    REQUIRE(output, OVERLAP, edge_region_clear(output, &input, 1));
  } else {
    REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, input));
  }
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_normalization_desc *)desc)->rows; }

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_normalization_desc *)desc)->depth * 64u; }

static uint64_t row_work_local(const void *desc) {
  const edge_normalization_desc *d = desc;
  return (uint64_t)d->depth * ((uint64_t)d->radius + 32u) * 2u;
}

#define KERNEL(id_name, function, work)                                                                     \
  static edge_status check_##id_name(const void *desc, const edge_memory *memory) {                         \
    return check(desc, EDGE_KERNEL_##id_name, memory);                                                      \
  }                                                                                                         \
  static void run_##id_name(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scr) { \
    (void)isa, (void)packed, (void)scr;                                                                     \
    function(desc, base);                                                                                   \
  }                                                                                                         \
  const edge_kernel edge_kernel_##id_name = {.name = #id_name,                                              \
                                             .id = EDGE_KERNEL_##id_name,                                   \
                                             .desc_bytes = sizeof(edge_normalization_desc),                 \
                                             .check = check_##id_name,                                      \
                                             .rows = rows,                                                  \
                                             .row_work = work,                                              \
                                             .run = run_##id_name};

KERNEL(softmax_s8_s16, edge_qs8_s16_softmax__ref, row_work)
KERNEL(softmax_s16, edge_qs16_softmax__ref, row_work)
KERNEL(log_softmax_s8, edge_qs8_log_softmax__ref, row_work)
KERNEL(log_softmax_f32, edge_f32_log_softmax__ref, row_work)
KERNEL(l2_normalization_s8, edge_qs8_l2_normalization__ref, row_work)
KERNEL(l2_normalization_f32, edge_f32_l2_normalization__ref, row_work)
KERNEL(local_response_normalization_f32, edge_f32_local_response_normalization__ref, row_work_local)
