/* Depthwise convolution: checks, sizes, and the choice of a kernel. */
#include "depthwise_conv2d.h"

#include "../common/check.h"

/* The fast kernel for this descriptor, or NULL for the reference. */
static const edge_dw_kernel *kernel_s8(const edge_dw_desc *d, edge_isa isa) {
  if (d->input_c != d->output_c || d->output_c < 8) return NULL;
  switch ((int)isa) {
#if defined(EDGE_BUILD_X86)
    case EDGE_ISA_AVX512VNNI:
      /* What int8 leaves of 127 - -128 is no int8. */
      if (d->filter_zero_point != -128) return &edge_qs8_depthwise_conv2d__avx512vnni;
      __attribute__((fallthrough));
    case EDGE_ISA_AVX2:
      return d->output_c < 16 ? &edge_qs8_depthwise_conv2d__avx2_c8 : &edge_qs8_depthwise_conv2d__avx2_c16;
#elif defined(EDGE_BUILD_AARCH64)
    case EDGE_ISA_NEON:
    case EDGE_ISA_NEON_DOTPROD:
      return &edge_qs8_depthwise_conv2d__neon;
#elif defined(EDGE_BUILD_WASM)
    case EDGE_ISA_WASM_SIMD128:
    case EDGE_ISA_WASM_FMA:
    case EDGE_ISA_WASM_RELAXED:
      return &edge_qs8_depthwise_conv2d__wasm_simd128;
#endif
    default:
      return NULL;
  }
}

static const edge_dw_kernel *kernel_f32(const edge_dw_desc *d, edge_isa isa) {
  const edge_dw_kernel *kernel = NULL;
  switch ((int)isa) {
#if defined(EDGE_BUILD_X86)
    case EDGE_ISA_AVX512VNNI:
      kernel = d->output_c < 16 ? &edge_f32_depthwise_conv2d__avx2 : &edge_f32_depthwise_conv2d__avx512vnni;
      break;
    case EDGE_ISA_AVX2:
      kernel = &edge_f32_depthwise_conv2d__avx2;
      break;
#elif defined(EDGE_BUILD_AARCH64)
    case EDGE_ISA_NEON:
    case EDGE_ISA_NEON_DOTPROD:
      kernel = &edge_f32_depthwise_conv2d__neon;
      break;
#elif defined(EDGE_BUILD_WASM)
    case EDGE_ISA_WASM_SIMD128:
    case EDGE_ISA_WASM_FMA:
    case EDGE_ISA_WASM_RELAXED:
      kernel = &edge_f32_depthwise_conv2d__wasm_simd128;
      break;
#endif
    default:
      break;
  }
  return kernel != NULL && d->input_c == d->output_c && d->output_c >= kernel->tile ? kernel : NULL;
}

/* What edge_sdk.abi promises: enough for every sandbox ISA. The same on the host, so that a module behaves alike. */
static uint64_t region_bytes_packed(const edge_dw_desc *d, int is_float) {
  const uint64_t taps = (uint64_t)d->filter_h * d->filter_w, channels = ((uint64_t)d->output_c + 15u) / 16u * 16u;
  return edge_mul(channels, is_float ? (taps + 4u) * 4u : (taps + 1u) / 2u * 4u + 32u);
}

static uint64_t region_bytes_scratch(const edge_dw_desc *d, uint64_t element) {
  const uint64_t taps = (uint64_t)d->filter_h * d->filter_w;
  const uint64_t line = edge_mul(edge_mul(d->input_w, d->input_c), element);
  return edge_add(edge_add(taps * 8u, line) / 16u * 16u, 96u);
}

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, depthwise_conv2d, field, reason, condition)

static edge_status check_shape(const edge_dw_desc *d, edge_kernel_id id) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_h, RANGE, d->input_h >= 1);
  REQUIRE(input_w, RANGE, d->input_w >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(output_c, RANGE, d->output_c >= 1 && d->output_c % d->input_c == 0);
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
  return 0;
}

static edge_status check_regions(const edge_dw_desc *d, edge_kernel_id id, int is_float, const edge_memory *memory) {
  const uint64_t element = is_float ? 4 : 1, vector = (uint64_t)d->output_c * 4u;
  const uint64_t pixels_in = edge_mul((uint64_t)d->batch * d->input_h, d->input_w);
  const uint64_t pixels_out = edge_mul((uint64_t)d->batch * d->output_h, d->output_w);
  const uint64_t taps = (uint64_t)d->filter_h * d->filter_w;
  enum { INPUT, FILTER, BIAS, MULTIPLIER, SHIFT, PACKED, SCRATCH, OUTPUT, REGIONS };
  const edge_region regions[REGIONS] = {
      edge_region_of(d->input, edge_mul(edge_mul(pixels_in, d->input_c), element)),
      edge_region_of(d->filter, edge_mul(edge_mul(taps, d->output_c), element)),
      edge_region_of(d->bias, d->bias != 0 ? vector : 0),
      edge_region_of(d->multiplier, is_float ? 0 : vector),
      edge_region_of(d->shift, is_float ? 0 : vector),
      edge_region_of(d->packed, d->packed_bytes),
      edge_region_of(d->scratch, d->scratch_bytes),
      edge_region_of(d->output, edge_mul(edge_mul(pixels_out, d->output_c), element)),
  };
#define REQUIRE_REGION(field, number, align) \
  EDGE_REQUIRE_REGION(id, depthwise_conv2d, field, regions[number], align, memory)
  REQUIRE_REGION(input, INPUT, element);
  REQUIRE_REGION(filter, FILTER, element);
  if (d->bias != 0) REQUIRE_REGION(bias, BIAS, 4);
  if (!is_float) {
    REQUIRE_REGION(multiplier, MULTIPLIER, 4);
    REQUIRE_REGION(shift, SHIFT, 4);
  }
  REQUIRE(packed_bytes, RANGE, d->packed_bytes >= region_bytes_packed(d, is_float));
  REQUIRE(scratch_bytes, RANGE, d->scratch_bytes >= region_bytes_scratch(d, element));
  REQUIRE_REGION(packed, PACKED, EDGE_REGION_ALIGN);
  REQUIRE_REGION(scratch, SCRATCH, EDGE_REGION_ALIGN);
  REQUIRE_REGION(output, OUTPUT, element);
  REQUIRE(packed, OVERLAP, edge_region_clear(regions[PACKED], regions, PACKED));
  REQUIRE(scratch, OVERLAP, edge_region_clear(regions[SCRATCH], regions, SCRATCH));
  REQUIRE(output, OVERLAP, edge_region_clear(regions[OUTPUT], regions, OUTPUT));
  if (!is_float) {
    REQUIRE(multiplier, RANGE, edge_all_multipliers(memory, regions[MULTIPLIER]));
    REQUIRE(shift, RANGE, edge_all_in_range_s32(memory, regions[SHIFT], -31, 30));
  }
  return 0;
}

static edge_status check_s8(const void *desc, const edge_memory *memory) {
  const edge_dw_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_depthwise_conv2d_s8;
  const edge_status status = check_shape(d, id);
  if (status != 0) return status;
  REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
  REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
  REQUIRE(filter_zero_point, RANGE, edge_zero_point_ok(d->filter_zero_point));
  REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  return check_regions(d, id, 0, memory);
}

static edge_status check_f32(const void *desc, const edge_memory *memory) {
  const edge_dw_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_depthwise_conv2d_f32;
  const edge_status status = check_shape(d, id);
  if (status != 0) return status;
  REQUIRE(multiplier, RANGE, d->multiplier == 0);
  REQUIRE(shift, RANGE, d->shift == 0);
  REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
  REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
  REQUIRE(filter_zero_point, RANGE, d->filter_zero_point == 0);
  REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f);
  return check_regions(d, id, 1, memory);
}

static uint64_t rows(const void *desc) {
  const edge_dw_desc *d = desc;
  return (uint64_t)d->batch * d->output_h;
}

static uint64_t row_work(const void *desc) {
  const edge_dw_desc *d = desc;
  return edge_mul(edge_mul((uint64_t)d->output_w * d->output_c, (uint64_t)d->filter_h * d->filter_w), 4u);
}

static size_t packed_bytes_s8(const void *desc, edge_isa isa) {
  const edge_dw_desc *d = desc;
  const edge_dw_kernel *kernel = kernel_s8(d, isa);
  if (kernel == NULL) return edge_qs8_depthwise_conv2d_packed_bytes__ref(d);
  if (kernel->packed_bytes != NULL) return kernel->packed_bytes(d);
  const size_t tiles = (d->output_c - 1u) / kernel->tile + 1u;
  return tiles * edge_dw_tile_words(edge_dw_taps(d), kernel->positions, kernel->powers) * 4u;
}

static size_t packed_bytes_f32(const void *desc, edge_isa isa) {
  const edge_dw_desc *d = desc;
  const edge_dw_kernel *kernel = kernel_f32(d, isa);
  if (kernel == NULL) return edge_f32_depthwise_conv2d_packed_bytes__ref(d);
  const size_t tiles = (d->output_c - 1u) / kernel->tile + 1u;
  return tiles * kernel->tile * (edge_dw_taps(d) + 1u) * 4u;
}

static size_t scratch_bytes(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element) {
  const size_t region = (size_t)region_bytes_scratch(d, element);
  const size_t padded = kernel != NULL ? edge_dw_padded_bytes(d, kernel, element) : 0;
  return padded > region ? padded : region;
}

static size_t scratch_bytes_s8(const void *desc, edge_isa isa) { return scratch_bytes(desc, kernel_s8(desc, isa), 1); }

static size_t scratch_bytes_f32(const void *desc, edge_isa isa) {
  return scratch_bytes(desc, kernel_f32(desc, isa), 4);
}

static void pack_s8(const void *desc, edge_isa isa, const uint8_t *base, void *packed) {
  const edge_dw_kernel *kernel = kernel_s8(desc, isa);
  if (kernel == NULL) {
    edge_qs8_depthwise_conv2d_pack__ref(desc, base, packed);
  } else if (kernel->pack != NULL) {
    kernel->pack(desc, base, packed);
  } else {
    edge_qs8_depthwise_conv2d_pack(desc, kernel, base, packed);
  }
}

static void pack_f32(const void *desc, edge_isa isa, const uint8_t *base, void *packed) {
  const edge_dw_kernel *kernel = kernel_f32(desc, isa);
  if (kernel == NULL) {
    edge_f32_depthwise_conv2d_pack__ref(desc, base, packed);
  } else {
    edge_f32_depthwise_conv2d_pack(desc, kernel, base, packed);
  }
}

static uint32_t packed_at(const void *desc) { return ((const edge_dw_desc *)desc)->packed; }
static uint32_t scratch_at(const void *desc) { return ((const edge_dw_desc *)desc)->scratch; }

static void run_s8(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  const edge_dw_kernel *kernel = kernel_s8(desc, isa);
  if (kernel == NULL) {
    edge_qs8_depthwise_conv2d__ref(desc, base, packed);
  } else {
    edge_depthwise_conv2d_rows(desc, kernel, 1, base, packed, scratch);
  }
}

static void run_f32(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  const edge_dw_kernel *kernel = kernel_f32(desc, isa);
  if (kernel == NULL) {
    edge_f32_depthwise_conv2d__ref(desc, base, packed);
  } else {
    edge_depthwise_conv2d_rows(desc, kernel, 4, base, packed, scratch);
  }
}

const edge_kernel edge_kernel_depthwise_conv2d_s8 = {
    .name = "depthwise_conv2d_s8",
    .id = EDGE_KERNEL_depthwise_conv2d_s8,
    .desc_bytes = sizeof(edge_dw_desc),
    .check = check_s8,
    .rows = rows,
    .row_work = row_work,
    .packed_bytes = packed_bytes_s8,
    .pack = pack_s8,
    .scratch_bytes = scratch_bytes_s8,
    .packed_at = packed_at,
    .scratch_at = scratch_at,
    .share = 1,
    .run = run_s8,
};

const edge_kernel edge_kernel_depthwise_conv2d_f32 = {
    .name = "depthwise_conv2d_f32",
    .id = EDGE_KERNEL_depthwise_conv2d_f32,
    .desc_bytes = sizeof(edge_dw_desc),
    .check = check_f32,
    .rows = rows,
    .row_work = row_work,
    .packed_bytes = packed_bytes_f32,
    .pack = pack_f32,
    .scratch_bytes = scratch_bytes_f32,
    .packed_at = packed_at,
    .scratch_at = scratch_at,
    .share = 1,
    .run = run_f32,
};
