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

/* ---- the estimate ---- */

/* product * 2^exponent, rounded. product < 2^62, exponent < 0. */
static int64_t scaled_down(uint64_t product, int32_t exponent) {
  if (exponent < -63) return 0;
  return (int64_t)(((product >> (-exponent - 1)) + 1u) >> 1);
}

static int32_t pair(int64_t a, int64_t b) { return (int32_t)((uint32_t)b << 16 | (uint32_t)a); }

/* With e = -shift, the reference's output is F, |F - z| <= 1/2 + 2^-(e + 1), where z is the sum of its two scaled
 * operands by the last scale. Each operand is off by less than 1, so z is less than 2^(1 - e) from the real sum; that
 * is at most 255 / 2^bits from the estimate, because each weight is off by 1/2. margin is all this together. */
edge_add_estimate edge_add_plan(const edge_add_desc *d) {
  const edge_add_estimate none = {0, 0, 0, 0, 0, 0};
  const uint64_t a = (uint64_t)d->a_multiplier * (uint64_t)d->multiplier;
  const uint64_t b = (uint64_t)d->b_multiplier * (uint64_t)d->multiplier;
  const int32_t exponent = EDGE_ADD_LEFT - 62 + d->shift; /* the weights are a and b by 2^(exponent + their shifts) */
  if (d->shift > -8) return none;                         /* the margin would be as wide as a step */
  /* |u| < 2^30: 255 * (wa + wb) + 2^7 steps for the zero point and the half. */
  for (uint32_t bits = 22; bits >= 14; bits--) {
    const int64_t wa = scaled_down(a, exponent + d->a_shift + (int32_t)bits);
    const int64_t wb = scaled_down(b, exponent + d->b_shift + (int32_t)bits);
    const int64_t margin = 256 + ((INT64_C(5) << bits) >> (1 - d->shift));
    if (255 * (wa + wb) + (INT64_C(129) << bits) >= INT64_C(1) << 30) continue;
    if (margin << 4 >= INT64_C(1) << bits) return none;
    const int64_t constant = (INT64_C(1) << (bits - 1)) - d->a_zero_point * wa - d->b_zero_point * wb;
    const edge_add_estimate found = {pair(wa >> 15, wb >> 15), pair(wa & 0x7fff, wb & 0x7fff), (int32_t)constant,
                                     (int32_t)margin,          (int32_t)((1u << bits) - 1u),   bits};
    return found;
  }
  return none;
}

/* ---- the choice ---- */

static edge_add_kernel *kernel_f32(edge_isa isa) {
  switch ((int)isa) {
#if defined(EDGE_BUILD_X86)
    case EDGE_ISA_AVX2:
      return edge_f32_add__avx2;
    case EDGE_ISA_AVX512VNNI:
      return edge_f32_add__avx512vnni;
#elif defined(EDGE_BUILD_AARCH64)
    case EDGE_ISA_NEON:
    case EDGE_ISA_NEON_DOTPROD:
      return edge_f32_add__neon;
#elif defined(EDGE_BUILD_WASM)
    case EDGE_ISA_WASM_SIMD128:
    case EDGE_ISA_WASM_FMA:
    case EDGE_ISA_WASM_RELAXED:
      return edge_f32_add__wasm_simd128;
#endif
    default:
      return edge_f32_add__ref;
  }
}

static edge_add_kernel *kernel_s8(edge_isa isa) {
  switch ((int)isa) {
#if defined(EDGE_BUILD_X86)
    case EDGE_ISA_AVX2:
      return edge_qs8_add__avx2;
    case EDGE_ISA_AVX512VNNI:
      return edge_qs8_add__avx512vnni;
#elif defined(EDGE_BUILD_AARCH64)
    case EDGE_ISA_NEON:
    case EDGE_ISA_NEON_DOTPROD:
      return edge_qs8_add__neon;
#elif defined(EDGE_BUILD_WASM)
    case EDGE_ISA_WASM_SIMD128:
    case EDGE_ISA_WASM_FMA:
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
  (void)packed, (void)scratch;
  run_spans(desc, 4, base, kernel_f32(isa));
}

const edge_kernel edge_kernel_add_s8 = {.name = "add_s8",
                                        .id = EDGE_KERNEL_add_s8,
                                        .desc_bytes = sizeof(edge_add_desc),
                                        .check = check_s8,
                                        .rows = rows,
                                        .row_work = row_work,
                                        .share = 4096,
                                        .run = run_s8};

const edge_kernel edge_kernel_add_f32 = {.name = "add_f32",
                                         .id = EDGE_KERNEL_add_f32,
                                         .desc_bytes = sizeof(edge_add_desc),
                                         .check = check_f32,
                                         .rows = rows,
                                         .row_work = row_work,
                                         .share = 4096,
                                         .run = run_f32};
