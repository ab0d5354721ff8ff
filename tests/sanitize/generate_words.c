/* Shapes and numbers of a random descriptor; see generate.h. */
#include "generate.h"

#include <math.h>

/* Sizes at the edges of the kernels' tiles. */
static uint32_t channels(rng *r) {
  static const uint32_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 39, 40};
  static const uint32_t wide[] = {47, 48, 49, 63, 64, 65, 79, 80, 81, 96, 127, 128, 129};
  if (rng_once_in(r, 6)) return RNG_PICK(r, wide);
  return rng_once_in(r, 3) ? (uint32_t)rng_range(r, 1, 40) : RNG_PICK(r, edges);
}

static uint32_t count(rng *r) {
  static const uint32_t edges[] = {1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257};
  return rng_once_in(r, 3) ? (uint32_t)rng_range(r, 1, 400) : RNG_PICK(r, edges);
}

static uint32_t often(rng *r, uint32_t usual, uint32_t low, uint32_t high) {
  return rng_once_in(r, 3) ? (uint32_t)rng_range(r, low, high) : usual;
}

static uint32_t zero_point(rng *r) {
  static const int32_t edges[] = {-128, -127, -1, 0, 1, 127};
  return (uint32_t)(rng_once_in(r, 2) ? (int32_t)rng_range(r, -128, 127) : RNG_PICK(r, edges));
}

static uint32_t multiplier(rng *r, int64_t least) {
  static const int32_t edges[] = {0, 1 << 30, (1 << 30) + 1, INT32_MAX - 1, INT32_MAX};
  return rng_once_in(r, 8) ? (uint32_t)RNG_PICK(r, edges) : (uint32_t)rng_range(r, least, INT32_MAX);
}

static uint32_t shift(rng *r, int64_t low, int64_t high) {
  if (rng_once_in(r, 8)) return (uint32_t)(rng_once_in(r, 2) ? low : high);
  if (low == 0 || rng_once_in(r, 4)) return (uint32_t)rng_range(r, low, high);
  return (uint32_t)rng_range(r, low > -12 ? low : -12, 0 < high ? 0 : high);
}

static float number(rng *r, float span) { return span * ((float)rng_range(r, -8388608, 8388608) / 8388608.0f); }

static float positive(rng *r, case_style style) {
  static const float edges[] = {0x1p-149f, 0x1p-126f, 1.0f, 1e-30f, 1e30f, 0x1.fffffep127f};
  if (style != CASE_COMPARE && rng_once_in(r, 8)) return RNG_PICK(r, edges);
  return ldexpf(1.0f + (float)rng_below(r, 1u << 23) / 8388608.0f, (int)rng_range(r, -10, 3));
}

static void activation(rng *r, int is_float, uint32_t *act_min, uint32_t *act_max) {
  if (is_float) {
    float low = rng_once_in(r, 2) ? -INFINITY : number(r, 4.0f), high = rng_once_in(r, 2) ? INFINITY : number(r, 4.0f);
    if (rng_once_in(r, 4)) low = 0.0f, high = 6.0f;
    *act_min = float_word(low < high ? low : high);
    *act_max = float_word(low < high ? high : low);
    return;
  }
  int32_t low = -128, high = 127;
  if (rng_once_in(r, 2)) low = (int32_t)rng_range(r, -128, 127), high = (int32_t)rng_range(r, low, 127);
  *act_min = (uint32_t)low;
  *act_max = (uint32_t)high;
}

static uint32_t windows(rng *r, uint32_t input, uint32_t stride, uint32_t pad) {
  const uint32_t most = (input + pad - 1u) / stride + 1u;
  return rng_once_in(r, 3) ? (uint32_t)rng_range(r, 1, most) : most;
}

/* The fields that convolutions and pools share. */
typedef struct window_fields {
  uint32_t *batch, *input_h, *input_w, *output_h, *output_w, *filter_h, *filter_w, *stride_h, *stride_w, *pad_top,
      *pad_left;
} window_fields;

#define WINDOW_FIELDS(d)                                                                           \
  {&(d)->batch,    &(d)->input_h,  &(d)->input_w,  &(d)->output_h, &(d)->output_w, &(d)->filter_h, \
   &(d)->filter_w, &(d)->stride_h, &(d)->stride_w, &(d)->pad_top,  &(d)->pad_left}

static void window(rng *r, case_style style, const window_fields *f, uint32_t dilation_h, uint32_t dilation_w) {
  const uint32_t most = style == CASE_HEAVY ? 120 : 11;
  *f->batch = often(r, 1, 1, 3);
  *f->input_h = (uint32_t)rng_range(r, style == CASE_HEAVY ? 64 : 1, most);
  *f->input_w = (uint32_t)rng_range(r, style == CASE_HEAVY ? 64 : 1, most);
  *f->filter_h = often(r, rng_once_in(r, 2) ? 1 : 3, 1, 5);
  *f->filter_w = often(r, *f->filter_h, 1, 5);
  *f->stride_h = style == CASE_HEAVY ? 1 : often(r, 1, 1, 4);
  *f->stride_w = often(r, *f->stride_h, 1, *f->stride_h);
  *f->pad_top = often(r, 0, 0, *f->filter_h * dilation_h - 1u);
  *f->pad_left = often(r, 0, 0, *f->filter_w * dilation_w - 1u);
  *f->output_h = windows(r, *f->input_h, *f->stride_h, *f->pad_top);
  *f->output_w = windows(r, *f->input_w, *f->stride_w, *f->pad_left);
}

#define CONVOLUTION(family)                                        \
  edge_##family##_desc *d = (edge_##family##_desc *)(void *)words; \
  d->input_c = channels(r);                                        \
  d->output_c = channels(r);                                       \
  d->dilation_h = often(r, 1, 1, 3);                               \
  d->dilation_w = often(r, d->dilation_h, 1, 3);                   \
  const window_fields f = WINDOW_FIELDS(d);                        \
  window(r, style, &f, d->dilation_h, d->dilation_w);              \
  d->bias = !rng_once_in(r, 4);                                    \
  activation(r, is_float, &words[EDGE_FIELD_##family##_act_min], &words[EDGE_FIELD_##family##_act_max])

static void conv2d(rng *r, case_style style, int is_float, uint32_t *words) {
  CONVOLUTION(conv2d);
  if (style == CASE_HEAVY) d->output_c = 40, d->input_c = 40;
}

static void depthwise_conv2d(rng *r, case_style style, int is_float, uint32_t *words) {
  CONVOLUTION(depthwise_conv2d);
  if (!rng_once_in(r, 4)) {
    d->input_c = d->output_c;
  } else {
    d->input_c = (d->input_c + 3u) / 4u;
    d->output_c = d->input_c * (uint32_t)rng_range(r, 1, 5);
  }
  if (style == CASE_HEAVY) d->input_c = d->output_c = 40, d->filter_h = 5, d->filter_w = 5;
}

static void pool(rng *r, case_style style, int is_float, uint32_t *words) {
  edge_pool_desc *d = (edge_pool_desc *)(void *)words;
  const window_fields f = WINDOW_FIELDS(d);
  window(r, style, &f, 1, 1);
  d->channels = style == CASE_HEAVY ? 40 : channels(r);
  if (style == CASE_HEAVY) d->filter_h = 5, d->filter_w = 5;
  activation(r, is_float, &words[EDGE_FIELD_pool_act_min], &words[EDGE_FIELD_pool_act_max]);
}

static void fully_connected(rng *r, case_style style, int is_float, uint32_t *words) {
  edge_fully_connected_desc *d = (edge_fully_connected_desc *)(void *)words;
  d->batch = often(r, 1, 1, 5);
  d->input_c = rng_once_in(r, 4) ? count(r) : channels(r);
  d->output_c = channels(r);
  if (style == CASE_HEAVY) d->batch = 70, d->input_c = 256, d->output_c = 256;
  d->bias = !rng_once_in(r, 4);
  activation(r, is_float, &words[EDGE_FIELD_fully_connected_act_min], &words[EDGE_FIELD_fully_connected_act_max]);
}

static void mean(rng *r, case_style style, uint32_t *words) {
  edge_mean_desc *d = (edge_mean_desc *)(void *)words;
  d->outer = often(r, 1, 1, 5);
  d->reduced = channels(r);
  d->inner = channels(r);
  if (style == CASE_HEAVY) d->outer = 2, d->reduced = 1024, d->inner = 600;
}

static void addition(rng *r, case_style style, int is_float, uint32_t *words) {
  edge_add_desc *d = (edge_add_desc *)(void *)words;
  const uint32_t inner = channels(r), outer = channels(r);
  d->count = inner * outer;
  if (style == CASE_HEAVY) d->count = EDGE_MAX_WORK / 16u + 1u;
  const uint32_t parts[] = {d->count, d->count, d->count % inner == 0 ? inner : d->count, 1};
  d->a_count = RNG_PICK(r, parts);
  d->b_count = RNG_PICK(r, parts);
  activation(r, is_float, &words[EDGE_FIELD_add_act_min], &words[EDGE_FIELD_add_act_max]);
}

static void softmax(rng *r, case_style style, int is_float, uint32_t *words) {
  edge_softmax_desc *d = (edge_softmax_desc *)(void *)words;
  d->rows = often(r, 1, 1, 6);
  d->depth = rng_once_in(r, 4) ? count(r) : channels(r);
  if (style == CASE_HEAVY) d->rows = 130, d->depth = 512;
  if (is_float) d->beta.f = style == CASE_COMPARE ? positive(r, style) : number(r, 4.0f);
}

static void elementwise(rng *r, case_style style, uint32_t *words) {
  edge_elementwise_desc *d = (edge_elementwise_desc *)(void *)words;
  d->count = style == CASE_HEAVY ? EDGE_MAX_WORK / 16u + 1u : count(r);
}

static void spectrum(rng *r, case_style style, uint32_t *words) {
  edge_spectrum_desc *d = (edge_spectrum_desc *)(void *)words;
  d->frames = often(r, 1, 1, 3);
  d->channels = often(r, 1, 1, 3);
  d->frame_size = 16u << rng_below(r, 5);
  if (style == CASE_HEAVY) d->frames = 9, d->frame_size = 8192;
  d->bands = rng_once_in(r, 4) ? d->frame_size / 2u + 1u : (uint32_t)rng_range(r, 1, 12 < d->frame_size / 2 ? 12 : 8);
}

static void shapes(rng *r, const edge_kernel *k, case_style style, uint32_t *words) {
  const int is_float = field_is_float(k);
  switch (field_family(k)) {
    case FAMILY_conv2d:
      conv2d(r, style, is_float, words);
      break;
    case FAMILY_depthwise_conv2d:
      depthwise_conv2d(r, style, is_float, words);
      break;
    case FAMILY_pool:
      pool(r, style, is_float, words);
      break;
    case FAMILY_fully_connected:
      fully_connected(r, style, is_float, words);
      break;
    case FAMILY_mean:
      mean(r, style, words);
      break;
    case FAMILY_add:
      addition(r, style, is_float, words);
      break;
    case FAMILY_softmax:
      softmax(r, style, is_float, words);
      break;
    case FAMILY_elementwise:
      elementwise(r, style, words);
      break;
    default:
      spectrum(r, style, words);
      break;
  }
}

/* Zero points, multipliers, shifts, factors, region sizes: what the rule of a field says is enough to choose it. */
static uint32_t value_by_rule(rng *r, field_rule rule, case_style style) {
  switch (rule.kind) {
    case FIELD_INT:
      if (rule.low == -128) return zero_point(r);
      if (rule.high == INT32_MAX) return multiplier(r, rng_once_in(r, 4) ? 0 : INT64_C(1) << 30);
      if (rule.low == INT32_MIN) return (uint32_t)-(int32_t)(rng_u32(r) >> (1u + rng_below(r, 31)));
      return shift(r, rule.low, rule.high);
    case FIELD_CHOICE:
      /* In a heavy case a column of the convolution would be too much. */
      return style != CASE_HEAVY && rng_once_in(r, 2) ? (uint32_t)rule.high : 0;
    case FIELD_POSITIVE:
      return float_word(positive(r, style));
    case FIELD_REGION_BYTES:
      return (uint32_t)rule.low + (rng_once_in(r, 4) ? rng_below(r, 64) : 0);
    default:
      return 0;
  }
}

void case_choose_words(rng *r, const edge_kernel *k, case_style style, uint32_t *words) {
  for (uint32_t field = 0; field < field_count(k); field++) words[field] = 0;
  words[0] = EDGE_ABI_VERSION;
  words[1] = rng_once_in(r, 8) ? (uint32_t)rng_range(r, 0, EDGE_MAX_NODES - 1) : rng_below(r, 16);
  shapes(r, k, style, words);
  if (field_family(k) == FAMILY_elementwise) {
    activation(r, k->id == EDGE_KERNEL_clamp_f32, &words[EDGE_FIELD_elementwise_act_min],
               &words[EDGE_FIELD_elementwise_act_max]);
  }
  for (uint32_t field = 2; field < field_count(k); field++) {
    const field_rule rule = field_rule_of(k, words, field);
    if (words[field] == 0 && rule.low != rule.high) words[field] = value_by_rule(r, rule, style);
    if (rule.kind == FIELD_POSITIVE) words[field] = value_by_rule(r, rule, style);
  }
}
