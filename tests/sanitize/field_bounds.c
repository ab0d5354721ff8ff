/* Bounds of a field that come from the descriptor's other words; see fields.h. */
#include "fields.h"

/* Windows along an axis must start before the image ends. */
static int64_t most_windows(uint32_t input, uint32_t stride, uint32_t pad) {
  if (stride == 0) return UINT32_MAX;
  const int64_t starts = (int64_t)input + pad;
  return starts == 0 ? 0 : (starts - 1) / stride + 1;
}

static int64_t most_pad(uint32_t filter, uint32_t dilation) {
  const uint64_t covered = (uint64_t)filter * dilation;
  return covered == 0 ? UINT32_MAX : (int64_t)((covered < UINT32_MAX ? covered : UINT32_MAX) - 1u);
}

static uint64_t round_16(uint64_t x) { return (x + 15u) / 16u * 16u; }

/* The formulas of edge_sdk.abi, which holds what a compiler must provide. Saturating. */
static int64_t least_packed(int is_float, uint64_t n, uint64_t lines, uint64_t k) {
  const uint64_t each = times(lines, round_16(k < UINT64_MAX - 16u ? k : UINT64_MAX - 16u)),
                 safe = each < UINT64_MAX / 8 ? each : UINT64_MAX / 8;
  const uint64_t bytes = times(round_16(n), is_float ? times(safe + 4u, 4u) : safe + 48u);
  return bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX;
}

/* What conv2d keeps image lines in. */
static int64_t least_lines(int is_float, const edge_conv2d_desc *d) {
  if ((uint64_t)d->filter_h * d->filter_w == 1 || d->filter_h > 16 || d->dilation_h != 1 || d->dilation_w != 1)
    return 0;
  if (d->filter_zero_point != 0) return 0;
  const uint64_t windows = ((uint64_t)d->output_w - 1u) * d->stride_w + d->filter_w;
  const uint64_t image = (uint64_t)d->pad_left + d->input_w;
  const uint64_t line = times(windows > image ? windows : image, d->input_c);
  if (line > 65536u) return 0;
  const uint64_t bytes = (d->filter_h + 1u) * (((line + 16u) * (is_float ? 4u : 2u) + 63u) / 64u * 64u);
  return bytes <= 65536u ? (int64_t)bytes : 0;
}

static int64_t least_scratch(int is_float, uint64_t k) {
  const uint64_t bytes = times(round_16(k), is_float ? 32u : 16u);
  return bytes < INT64_MAX - 64 ? (int64_t)bytes + 64 : INT64_MAX;
}

static void bind_conv2d(int is_float, const uint32_t *words, uint32_t field, field_rule *rule) {
  const edge_conv2d_desc *d = (const edge_conv2d_desc *)(const void *)words;
  const uint64_t k = times((uint64_t)d->filter_h * d->filter_w, d->input_c);
  const uint64_t safe_k = k < UINT64_MAX - 16u ? k : UINT64_MAX - 16u;
  switch (field) {
    case EDGE_FIELD_conv2d_output_h:
      rule->high = most_windows(d->input_h, d->stride_h, d->pad_top);
      break;
    case EDGE_FIELD_conv2d_output_w:
      rule->high = most_windows(d->input_w, d->stride_w, d->pad_left);
      break;
    case EDGE_FIELD_conv2d_pad_top:
      rule->high = most_pad(d->filter_h, d->dilation_h);
      break;
    case EDGE_FIELD_conv2d_pad_left:
      rule->high = most_pad(d->filter_w, d->dilation_w);
      break;
    case EDGE_FIELD_conv2d_packed_bytes:
      rule->low = least_packed(is_float, d->output_c, d->filter_h, times(d->filter_w, d->input_c));
      break;
    case EDGE_FIELD_conv2d_scratch_bytes:
      rule->low = least_scratch(is_float, safe_k);
      if (rule->low < least_lines(is_float, d)) rule->low = least_lines(is_float, d);
      break;
    default:
      break;
  }
}

static void bind_depthwise(int is_float, const uint32_t *words, uint32_t field, field_rule *rule) {
  const edge_depthwise_conv2d_desc *d = (const edge_depthwise_conv2d_desc *)(const void *)words;
  const uint64_t taps = (uint64_t)d->filter_h * d->filter_w;
  switch (field) {
    case EDGE_FIELD_depthwise_conv2d_output_h:
      rule->high = most_windows(d->input_h, d->stride_h, d->pad_top);
      break;
    case EDGE_FIELD_depthwise_conv2d_output_w:
      rule->high = most_windows(d->input_w, d->stride_w, d->pad_left);
      break;
    case EDGE_FIELD_depthwise_conv2d_output_c:
      *rule = (field_rule){FIELD_MULTIPLE, d->input_c, UINT32_MAX};
      break;
    case EDGE_FIELD_depthwise_conv2d_pad_top:
      rule->high = most_pad(d->filter_h, d->dilation_h);
      break;
    case EDGE_FIELD_depthwise_conv2d_pad_left:
      rule->high = most_pad(d->filter_w, d->dilation_w);
      break;
    case EDGE_FIELD_depthwise_conv2d_packed_bytes: {
      const uint64_t each = is_float ? times(taps + 4u, 4u) : (taps + 1u) / 2u * 4u + 32u;
      const uint64_t bytes = times(round_16(d->output_c), each);
      rule->low = bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX;
      break;
    }
    case EDGE_FIELD_depthwise_conv2d_scratch_bytes: {
      const uint64_t line = times(times(d->input_w, d->input_c), is_float ? 4u : 1u), each = times(taps, 8u);
      const int fits = line < INT64_MAX / 4 && each < INT64_MAX / 4;
      rule->low = fits ? (int64_t)((each + line) / 16u * 16u) + 96 : INT64_MAX;
      break;
    }
    default:
      break;
  }
}

static void bind_pool(const uint32_t *words, uint32_t field, field_rule *rule) {
  const edge_pool_desc *d = (const edge_pool_desc *)(const void *)words;
  if (field == EDGE_FIELD_pool_output_h) rule->high = most_windows(d->input_h, d->stride_h, d->pad_top);
  if (field == EDGE_FIELD_pool_output_w) rule->high = most_windows(d->input_w, d->stride_w, d->pad_left);
  if (field == EDGE_FIELD_pool_pad_top) rule->high = most_pad(d->filter_h, 1);
  if (field == EDGE_FIELD_pool_pad_left) rule->high = most_pad(d->filter_w, 1);
}

static void bind_fully_connected(int is_float, const uint32_t *words, uint32_t field, field_rule *rule) {
  const edge_fully_connected_desc *d = (const edge_fully_connected_desc *)(const void *)words;
  if (field == EDGE_FIELD_fully_connected_packed_bytes) rule->low = least_packed(is_float, d->output_c, 1, d->input_c);
  if (field == EDGE_FIELD_fully_connected_scratch_bytes) rule->low = least_scratch(is_float, d->input_c);
}

static void bind_spectrum(const uint32_t *words, uint32_t field, field_rule *rule) {
  const edge_spectrum_desc *d = (const edge_spectrum_desc *)(const void *)words;
  if (field == EDGE_FIELD_spectrum_bands) rule->high = (int64_t)d->frame_size / 2 + 1;
  if (field == EDGE_FIELD_spectrum_scratch_bytes) rule->low = (int64_t)d->frame_size * 12 + 64;
}

void field_bind(const edge_kernel *k, const uint32_t *words, uint32_t field, field_rule *rule) {
  const int is_float = field_is_float(k);
  switch (field_family(k)) {
    case FAMILY_conv2d:
      bind_conv2d(is_float, words, field, rule);
      break;
    case FAMILY_depthwise_conv2d:
      bind_depthwise(is_float, words, field, rule);
      break;
    case FAMILY_fully_connected:
      bind_fully_connected(is_float, words, field, rule);
      break;
    case FAMILY_pool:
      bind_pool(words, field, rule);
      break;
    case FAMILY_add:
      if (rule->kind == FIELD_DIVISOR) rule->high = words[EDGE_FIELD_add_count];
      break;
    case FAMILY_spectrum:
      bind_spectrum(words, field, rule);
      break;
    default:
      break;
  }
}
