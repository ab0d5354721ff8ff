/* Layout and contents of a random case; see generate.h. */
#include "generate.h"

#include <math.h>
#include <string.h>

/* Most work a small case does: keeps a million of them short under the sanitizers. */
#define SMALL_WORK 60000u
/* Most bytes of a tensor that get values of their own; only heavy cases have more. */
#define FILLED 65536u

case_rows case_rows_of(const edge_kernel *k, const uint32_t *words) {
  const void *at = words;
  const uint64_t element = field_is_float(k) || k->id == EDGE_KERNEL_dequantize_s8_f32 ? 4 : 1;
  switch (field_family(k)) {
    case FAMILY_conv2d: {
      const edge_conv2d_desc *d = at;
      const uint64_t pixels = times((uint64_t)d->batch * d->output_h, d->output_w);
      const uint64_t each = times((uint64_t)d->filter_h * d->filter_w, d->input_c);
      if (d->by_columns) return (case_rows){d->output_c, plus(times(pixels, each), 64), element};
      return (case_rows){pixels, plus(times(d->output_c, each), 64), d->output_c * element};
    }
    case FAMILY_depthwise_conv2d: {
      const edge_depthwise_conv2d_desc *d = at;
      const uint64_t outputs = (uint64_t)d->output_w * d->output_c;
      return (case_rows){(uint64_t)d->batch * d->output_h,
                         times(times(outputs, (uint64_t)d->filter_h * d->filter_w), 4), times(outputs, element)};
    }
    case FAMILY_pool: {
      const edge_pool_desc *d = at;
      const uint64_t outputs = (uint64_t)d->output_w * d->channels;
      const uint64_t pixel = times(times(d->channels, (uint64_t)d->filter_h * d->filter_w), 4);
      return (case_rows){(uint64_t)d->batch * d->output_h, times(d->output_w, plus(pixel, 64)),
                         times(outputs, element)};
    }
    case FAMILY_fully_connected: {
      const edge_fully_connected_desc *d = at;
      return (case_rows){d->output_c, (uint64_t)d->batch * d->input_c, element};
    }
    case FAMILY_mean: {
      const edge_mean_desc *d = at;
      return (case_rows){d->outer, plus(times((uint64_t)d->reduced * d->inner, 4), 64), d->inner * element};
    }
    case FAMILY_add:
      return (case_rows){((const edge_add_desc *)at)->count, 16, element};
    case FAMILY_softmax: {
      const edge_softmax_desc *d = at;
      return (case_rows){d->rows, (uint64_t)d->depth * 64u, d->depth * element};
    }
    case FAMILY_elementwise:
      return (case_rows){((const edge_elementwise_desc *)at)->count, 16, element};
    default: {
      const edge_spectrum_desc *d = at;
      return (case_rows){(uint64_t)d->frames * d->channels, (uint64_t)d->frame_size * 64u, d->bands * element};
    }
  }
}

static uint64_t down(uint64_t offset, uint64_t align) { return offset / align * align; }

static void shuffle(rng *r, uint32_t *order, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  for (uint32_t i = count; i > 1; i--) {
    const uint32_t j = rng_below(r, i), swapped = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swapped;
  }
}

/* From the end of memory downwards in random order, gaps between; the last one sometimes at the bottom. */
int case_lay_out(rng *r, const arena *a, test_case *c) {
  uint32_t order[MAX_REGIONS + 1u];
  const uint32_t pieces = c->region_count + 1u; /* the last is the descriptor */
  shuffle(r, order, pieces);
  uint64_t top = a->memory.size;
  for (uint32_t i = 0; i < pieces; i++) {
    const int is_descriptor = order[i] == c->region_count;
    const uint64_t bytes = is_descriptor ? c->kernel->desc_bytes : c->regions[order[i]].at.bytes;
    const uint64_t align = is_descriptor ? 4 : c->regions[order[i]].align;
    if (bytes > a->memory.size - a->bottom || top < a->bottom + bytes + 256u) return 0;
    uint64_t at = down(top - bytes, align);
    if (i + 1u == pieces && rng_once_in(r, 8)) at = a->bottom;
    if (is_descriptor) {
      c->descriptor = (uint32_t)at;
    } else {
      c->words[c->regions[order[i]].field] = (uint32_t)at;
    }
    top = at - (rng_once_in(r, 2) ? 0 : rng_below(r, 64));
  }
  return 1;
}

/* Where the contract allows it, the output sometimes is a tensor that is read. */
static void work_in_place(rng *r, test_case *c) {
  const case_region *output = NULL;
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (c->regions[i].role == REGION_WRITTEN_IN_PLACE) output = &c->regions[i];
  }
  if (output == NULL || !rng_once_in(r, 3)) return;
  const case_region *read = &c->regions[rng_below(r, c->region_count)];
  if (read->role == REGION_READ && read->at.bytes == output->at.bytes) c->words[output->field] = c->words[read->field];
}

static float value(rng *r, case_style style, int specials, float span) {
  static const float odd[] = {INFINITY, -INFINITY, NAN,  0x1.fffffep127f, -0x1.fffffep127f, 0x1p-149f,
                              -0.0f,    3e9f,      -3e9f};
  if (specials && rng_once_in(r, style == CASE_COMPARE ? 16 : 64)) return RNG_PICK(r, odd);
  return span * ((float)rng_range(r, -8388608, 8388608) / 8388608.0f);
}

static void fill_f32(rng *r, case_style style, const test_case *c, float *at, uint64_t count) {
  const edge_kernel_id id = c->kernel->id;
  const int exact = id == EDGE_KERNEL_quantize_f32_s8 || id == EDGE_KERNEL_clamp_f32 || id == EDGE_KERNEL_max_pool_f32;
  const int specials = (style != CASE_COMPARE || exact) && rng_once_in(r, 4);
  const float span = ldexpf(1.0f, (int)rng_range(r, -6, 6));
  for (uint64_t i = 0; i < count; i++) at[i] = value(r, style, specials, span);
  /* Ties of the rounding. */
  if (id == EDGE_KERNEL_quantize_f32_s8 && rng_once_in(r, 2)) {
    const float scale = word_float(c->words[EDGE_FIELD_elementwise_scale]);
    for (uint64_t i = 0; i < count; i += 3) at[i] = ((float)rng_range(r, -300, 300) + 0.5f) * scale;
  }
}

static void fill_s8(rng *r, uint8_t *at, uint64_t count) {
  const uint32_t manner = rng_below(r, 16);
  for (uint64_t i = 0; i < count; i++) {
    at[i] = manner == 0   ? 0x80
            : manner == 1 ? 0x7f
            : manner == 2 ? (uint8_t)(rng_u32(r) % 2u + 0x7fu)
                          : (uint8_t)rng_u32(r);
  }
}

static int32_t within(rng *r, int64_t low, int64_t high, uint32_t ends) {
  if (ends != 0 && rng_once_in(r, ends)) return (int32_t)(rng_once_in(r, 2) ? low : high);
  return (int32_t)rng_range(r, low, high);
}

static void fill_s32(rng *r, const test_case *c, uint32_t field, int32_t *at, uint64_t count) {
  const char *name = field_name(c->kernel, field);
  const int wide = c->extreme;
  const uint32_t ends = wide ? 3 : 0;
  for (uint64_t i = 0; i < count; i++) {
    if (strcmp(name, "multiplier") == 0) {
      at[i] = rng_once_in(r, 32) ? 0 : within(r, 1 << 30, INT32_MAX, wide ? 2 : 32);
    } else if (strcmp(name, "shift") == 0) {
      at[i] = wide ? within(r, -31, 30, ends) : within(r, -12, 0, 0);
    } else {
      at[i] = wide ? within(r, INT32_MIN, INT32_MAX, ends) : within(r, -(1 << 14), 1 << 14, 0);
    }
  }
}

static void fill_f64(rng *r, case_style style, double *at, uint64_t count) {
  static const double edges[] = {0.0, 0x1p-1074, 1e300, 0x1.fffffffffffffp1023, 1.0, 0.5, 0x1p31};
  for (uint64_t i = 0; i < count; i++) {
    at[i] = ldexp(1.0 + (double)rng_u32(r) / 4294967296.0, (int)rng_range(r, -14, 0));
    if (rng_once_in(r, 16)) at[i] = RNG_PICK(r, edges);
    if (style == CASE_COMPARE && rng_once_in(r, 8)) at[i] = ldexp(1.0, (int)rng_range(r, -12, 0)); /* ties */
  }
}

/* Strictly ascending: no band is empty. The last edge may be one past the last bin. */
static void fill_edges(rng *r, const test_case *c, uint32_t *at, uint64_t count) {
  const uint64_t bins = c->words[EDGE_FIELD_spectrum_frame_size] / 2u + 1u;
  uint64_t low = 0;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t high = bins - (count - 1u - i), near = low + 7u < high && !rng_once_in(r, 16) ? low + 7u : high;
    at[i] = (uint32_t)rng_range(r, (int64_t)low, (int64_t)(i == 0 && rng_once_in(r, 2) ? low : near));
    low = at[i] + UINT64_C(1);
  }
}

static void fill_twiddle(float *at, uint64_t count) {
  for (uint64_t i = 0; i < count / 2u; i++) {
    const double angle = 6.283185307179586 * (double)i / (double)count;
    at[2u * i] = (float)cos(angle);
    at[2u * i + 1u] = (float)-sin(angle);
  }
}

void case_fill(rng *r, const arena *a, case_style style, const test_case *c) {
  for (uint32_t i = 0; i < c->region_count; i++) {
    const case_region *region = &c->regions[i];
    if (region->role != REGION_READ) continue;
    void *at = a->memory.base + region->at.begin;
    const uint64_t bytes = region->at.bytes < FILLED ? region->at.bytes : FILLED;
    if (region->field == EDGE_FIELD_spectrum_twiddle && field_family(c->kernel) == FAMILY_spectrum) {
      fill_twiddle(at, bytes / 4u);
    } else if (region->type == TYPE_F32) {
      fill_f32(r, style, c, at, bytes / 4u);
    } else if (region->type == TYPE_S32) {
      fill_s32(r, c, region->field, at, bytes / 4u);
    } else if (region->type == TYPE_F64) {
      fill_f64(r, style, at, bytes / 8u);
    } else if (region->type == TYPE_U32) {
      fill_edges(r, c, at, bytes / 4u);
    } else {
      fill_s8(r, at, bytes);
    }
  }
}

void case_store(arena *a, test_case *c) {
  c->region_count = regions_of(c->kernel, c->words, c->regions);
  if (c->descriptor % 4u == 0 && c->descriptor >= a->lowest &&
      c->descriptor + (uint64_t)c->kernel->desc_bytes <= a->memory.size) {
    memcpy(a->memory.base + c->descriptor, c->words, c->kernel->desc_bytes);
  }
}

void case_make(rng *r, const edge_kernel *kernel, case_style style, arena *a, test_case *c) {
  c->kernel = kernel;
  arena_reset(a);
  for (;;) {
    case_choose_words(r, kernel, style, c->words);
    const case_rows rows = case_rows_of(kernel, c->words);
    const uint64_t work = times(rows.rows, rows.row_work);
    if (style == CASE_HEAVY ? work <= EDGE_MAX_WORK : work > SMALL_WORK) continue;
    case_set_rows(c, 0, (uint32_t)rows.rows);
    c->region_count = regions_of(kernel, c->words, c->regions);
    if (case_lay_out(r, a, c)) break;
  }
  c->extreme = rng_once_in(r, 8);
  work_in_place(r, c);
  case_store(a, c);
  case_fill(r, a, style, c);
}
