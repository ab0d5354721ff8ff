/* Addition: checks, spans, and the choice of a kernel. */
#include "add.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, add, field, reason, condition)

static edge_status check_numbers(const edge_add_desc *d, edge_kernel_id id, int is_float) {
  const int32_t low = is_float ? 0 : -31;
  REQUIRE(a_zero_point, RANGE, is_float ? d->a_zero_point == 0 : edge_zero_point_ok(d->a_zero_point));
  REQUIRE(b_zero_point, RANGE, is_float ? d->b_zero_point == 0 : edge_zero_point_ok(d->b_zero_point));
  REQUIRE(output_zero_point, RANGE, is_float ? d->output_zero_point == 0 : edge_zero_point_ok(d->output_zero_point));
  REQUIRE(a_multiplier, RANGE, is_float ? d->a_multiplier == 0 : d->a_multiplier >= 0);
  REQUIRE(b_multiplier, RANGE, is_float ? d->b_multiplier == 0 : d->b_multiplier >= 0);
  REQUIRE(multiplier, RANGE, is_float ? d->multiplier == 0 : d->multiplier >= 0);
  REQUIRE(a_shift, RANGE, d->a_shift >= low && d->a_shift <= 0);
  REQUIRE(b_shift, RANGE, d->b_shift >= low && d->b_shift <= 0);
  REQUIRE(shift, RANGE, d->shift >= low && d->shift <= (is_float ? 0 : 30));
  REQUIRE(act_min, RANGE, is_float ? d->act_min.f <= d->act_max.f : edge_s8_range_ok(d->act_min.i, d->act_max.i));
  return 0;
}

static edge_status check(const edge_add_desc *d, edge_kernel_id id, uint64_t element, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1);
  REQUIRE(a_count, RANGE, d->a_count >= 1 && d->count % d->a_count == 0);
  REQUIRE(b_count, RANGE, d->b_count >= 1 && d->count % d->b_count == 0);
  const edge_status status = check_numbers(d, id, element == 4);
  if (status != 0) return status;
  const edge_region a = edge_region_of(d->a, d->a_count * element), b = edge_region_of(d->b, d->b_count * element);
  const edge_region output = edge_region_of(d->output, d->count * element);
  EDGE_REQUIRE_REGION(id, add, a, a, element, memory);
  EDGE_REQUIRE_REGION(id, add, b, b, element, memory);
  EDGE_REQUIRE_REGION(id, add, output, output, element, memory);
  REQUIRE(output, OVERLAP, edge_region_clear_or_same(output, a) && edge_region_clear_or_same(output, b));
  return 0;
}

static edge_status check_s8(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_add_s8, 1, memory);
}

static edge_status check_f32(const void *desc, const edge_memory *memory) {
  return check(desc, EDGE_KERNEL_add_f32, 4, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_add_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 16;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void run_spans(const edge_add_desc *d, size_t element, uint8_t *base, edge_add_kernel *kernel) {
  for (uint32_t i = d->begin, n; i < d->end; i += n) {
    const uint32_t at_a = i % d->a_count, at_b = i % d->b_count;
    n = least(d->end - i, least(d->a_count - at_a, d->b_count - at_b));
    kernel(d, base + d->a + at_a * element, base + d->b + at_b * element, base + d->output + i * element, n);
  }
}

static edge_add_kernel *kernel_s8(edge_isa isa) {
  switch ((int)isa) {
#if defined(EDGE_BUILD_X86)
    case EDGE_ISA_AVX2:
    case EDGE_ISA_AVX512VNNI:
      return edge_qs8_add__avx2;
#elif defined(EDGE_BUILD_AARCH64)
    case EDGE_ISA_NEON:
    case EDGE_ISA_NEON_DOTPROD:
      return edge_qs8_add__neon;
#elif defined(EDGE_BUILD_WASM)
    case EDGE_ISA_WASM_SIMD128:
    case EDGE_ISA_WASM_RELAXED:
      return edge_qs8_add__wasm_simd128;
#endif
    default:
      return edge_qs8_add__ref;
  }
}

static void run_s8(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)packed, (void)scratch;
  run_spans(desc, 1, base, kernel_s8(isa));
}

static void run_f32(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  run_spans(desc, 4, base, edge_f32_add__ref);
}

const edge_kernel edge_kernel_add_s8 = {.name = "add_s8",
                                        .id = EDGE_KERNEL_add_s8,
                                        .desc_bytes = sizeof(edge_add_desc),
                                        .check = check_s8,
                                        .rows = rows,
                                        .row_work = row_work,
                                        .run = run_s8};

const edge_kernel edge_kernel_add_f32 = {.name = "add_f32",
                                         .id = EDGE_KERNEL_add_f32,
                                         .desc_bytes = sizeof(edge_add_desc),
                                         .check = check_f32,
                                         .rows = rows,
                                         .row_work = row_work,
                                         .run = run_f32};
