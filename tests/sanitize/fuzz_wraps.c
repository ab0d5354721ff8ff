/* Shapes whose extents wrap to a few bytes in 32 or in 64 bits: the arithmetic that a hostile module would look for.
 *
 * 641 * 6700417 = 2^32 + 1, and 6001 * 2931542417 = 2^44 + 1. All else in the descriptor is whole and fits into a
 * memory of 4 GiB, so that only exact arithmetic finds the one region that is too large.
 */
#include "fuzz_bad.h"

#define ROOM (1u << 26)

typedef enum shape_wrap { WRAP_32, WRAP_64, WRAP_64_IN_PIXELS } shape_wrap;

/* Factors of an image [batch, h, w, c]. */
static void choose_image(shape_wrap wrap, uint32_t *batch, uint32_t *h, uint32_t *w, uint32_t *c) {
  *batch = wrap == WRAP_32 ? 1 : wrap == WRAP_64 ? 1024 : 1u << 20;
  *c = wrap == WRAP_64 ? 1024 : 1;
  *h = wrap == WRAP_32 ? 641 : 6001;
  *w = wrap == WRAP_32 ? 6700417 : 2931542417u;
}

#define ONE_WINDOW(d)                \
  (d)->filter_h = (d)->filter_w = 1; \
  (d)->stride_h = (d)->stride_w = 1; \
  (d)->pad_top = (d)->pad_left = 0;  \
  (d)->output_h = (d)->output_w = 1
#define CONVOLUTION(family, of_output)                                  \
  edge_##family##_desc *d = (edge_##family##_desc *)(void *)words;      \
  ONE_WINDOW(d);                                                        \
  d->dilation_h = d->dilation_w = 1;                                    \
  choose_image(wrap, &d->batch, &d->input_h, &d->input_w, &d->input_c); \
  d->output_c = of_output

static void conv2d(shape_wrap wrap, uint32_t *words) { CONVOLUTION(conv2d, 1); }
static void depthwise_conv2d(shape_wrap wrap, uint32_t *words) { CONVOLUTION(depthwise_conv2d, d->input_c); }

static void pool(shape_wrap wrap, uint32_t *words) {
  edge_pool_desc *d = (edge_pool_desc *)(void *)words;
  ONE_WINDOW(d);
  choose_image(wrap, &d->batch, &d->input_h, &d->input_w, &d->channels);
}

/* Families of two factors wrap in 32 bits only. */
static int two_factors(const edge_kernel *k, uint32_t *words) {
  void *at = words;
  switch (field_family(k)) {
    case FAMILY_fully_connected: {
      edge_fully_connected_desc *d = at;
      d->batch = 0x10000, d->input_c = 0x10001, d->output_c = 1;
      return EDGE_FIELD_fully_connected_input;
    }
    case FAMILY_mean: {
      edge_mean_desc *d = at;
      d->outer = 1, d->reduced = 6700417, d->inner = 641;
      return EDGE_FIELD_mean_input;
    }
    case FAMILY_softmax: {
      edge_softmax_desc *d = at;
      d->rows = 0x10001, d->depth = 0x10000;
      return EDGE_FIELD_softmax_input;
    }
    case FAMILY_spectrum: {
      edge_spectrum_desc *d = at;
      d->frames = 0x10001, d->channels = 1, d->frame_size = 16384, d->bands = 1;
      return EDGE_FIELD_spectrum_input;
    }
    case FAMILY_add: {
      edge_add_desc *d = at;
      d->count = (1u << 30) + 16u, d->a_count = d->b_count = 1;
      return field_is_float(k) ? EDGE_FIELD_add_output : -1;
    }
    case FAMILY_elementwise:
      ((edge_elementwise_desc *)at)->count = (1u << 30) + 16u;
      return k->id == EDGE_KERNEL_clamp_f32 || k->id == EDGE_KERNEL_quantize_f32_s8 ? EDGE_FIELD_elementwise_input : -1;
    default:
      return -1;
  }
}

/* The field of the region that wraps, or -1. */
static int choose_shape(rng *r, const edge_kernel *k, uint32_t *words) {
  const shape_wrap wrap = (shape_wrap)rng_below(r, 3);
  switch (field_family(k)) {
    case FAMILY_conv2d:
      conv2d(wrap, words);
      return EDGE_FIELD_conv2d_input;
    case FAMILY_depthwise_conv2d:
      depthwise_conv2d(wrap, words);
      return EDGE_FIELD_depthwise_conv2d_input;
    case FAMILY_pool:
      pool(wrap, words);
      return EDGE_FIELD_pool_input;
    default:
      return two_factors(k, words);
  }
}

int fuzz_extent_wraps(rng *r, arena *a, test_case *c) {
  const int field = choose_shape(r, c->kernel, c->words);
  if (field < 0) return -1;
  /* 64 MiB for each region. Tables of zeros are whole, but for the band edges: those stay where they are. */
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (c->regions[i].type != TYPE_U32) c->words[c->regions[i].field] = (i + 1u) * ROOM;
  }
  for (uint32_t i = 0; i < field_count(c->kernel); i++) {
    const field_rule rule = field_rule_of(c->kernel, c->words, i);
    if (rule.kind == FIELD_REGION_BYTES) c->words[i] = (uint32_t)rule.low;
  }
  case_set_rows(c, 0, 1);
  (void)a;
  return field;
}
