/* See fields.h. */
#include "fields.h"

#include <math.h>

#define RULE(family, field, kind, low, high) [EDGE_FIELD_##family##_##field] = {FIELD_##kind, low, high}
#define ENDS(family)                                                                                      \
  RULE(family, version, VERSION, 0, 0), RULE(family, node, NODE, 0, 0), RULE(family, begin, BEGIN, 0, 0), \
      RULE(family, end, END, 0, 0)
#define ACT(family) RULE(family, act_min, ACT_MIN, -128, 127), RULE(family, act_max, ACT_MAX, -128, 127)
#define DIM(family, field) RULE(family, field, DIM, 1, UINT32_MAX)
#define WINDOW(family, field) RULE(family, field, DIM, 1, 65535)
#define ZERO_POINT(family, field) RULE(family, field, INT, -128, 127)
#define REGIONS(family) RULE(family, packed_bytes, REGION_BYTES, 0, 0), RULE(family, scratch_bytes, REGION_BYTES, 0, 0)

#define IMAGE(family)                                                                                           \
  DIM(family, batch), DIM(family, input_h), DIM(family, input_w), DIM(family, output_h), DIM(family, output_w), \
      WINDOW(family, filter_h), WINDOW(family, filter_w), WINDOW(family, stride_h), WINDOW(family, stride_w),   \
      RULE(family, pad_top, PAD, 0, 0), RULE(family, pad_left, PAD, 0, 0)
#define CONVOLUTION(family)                                                                               \
  ENDS(family), IMAGE(family), ACT(family), REGIONS(family), DIM(family, input_c), DIM(family, output_c), \
      WINDOW(family, dilation_h), WINDOW(family, dilation_w), ZERO_POINT(family, input_zero_point),       \
      ZERO_POINT(family, output_zero_point), ZERO_POINT(family, filter_zero_point)

static const field_rule CONV2D_RULES[] = {CONVOLUTION(conv2d), RULE(conv2d, by_columns, CHOICE, 0, 1)};
static const field_rule DEPTHWISE_CONV2D_RULES[] = {CONVOLUTION(depthwise_conv2d)};
static const field_rule FULLY_CONNECTED_RULES[] = {
    ENDS(fully_connected),
    ACT(fully_connected),
    REGIONS(fully_connected),
    DIM(fully_connected, batch),
    DIM(fully_connected, input_c),
    DIM(fully_connected, output_c),
    ZERO_POINT(fully_connected, input_zero_point),
    ZERO_POINT(fully_connected, output_zero_point),
    ZERO_POINT(fully_connected, filter_zero_point),
};
static const field_rule POOL_RULES[] = {ENDS(pool), IMAGE(pool), ACT(pool), DIM(pool, channels)};
static const field_rule MEAN_RULES[] = {
    ENDS(mean),
    DIM(mean, outer),
    RULE(mean, reduced, DIM, 1, 1 << 23),
    DIM(mean, inner),
    ZERO_POINT(mean, input_zero_point),
    ZERO_POINT(mean, output_zero_point),
    RULE(mean, multiplier, INT, 0, INT32_MAX),
    RULE(mean, shift, INT, -62, 30),
};
static const field_rule ADD_RULES[] = {
    ENDS(add),
    ACT(add),
    DIM(add, count),
    RULE(add, a_count, DIVISOR, 1, 0),
    RULE(add, b_count, DIVISOR, 1, 0),
    ZERO_POINT(add, a_zero_point),
    ZERO_POINT(add, b_zero_point),
    ZERO_POINT(add, output_zero_point),
    RULE(add, a_multiplier, INT, 0, INT32_MAX),
    RULE(add, a_shift, INT, -31, 0),
    RULE(add, b_multiplier, INT, 0, INT32_MAX),
    RULE(add, b_shift, INT, -31, 0),
    RULE(add, multiplier, INT, 0, INT32_MAX),
    RULE(add, shift, INT, -31, 30),
};
static const field_rule SOFTMAX_RULES[] = {
    ENDS(softmax),
    DIM(softmax, rows),
    RULE(softmax, depth, DIM, 1, 65536),
    RULE(softmax, multiplier, INT, 0, INT32_MAX),
    RULE(softmax, shift, INT, 0, 31),
    RULE(softmax, diff_min, INT, INT32_MIN, 0),
    RULE(softmax, beta, FINITE, 0, 0),
};
static const field_rule ELEMENTWISE_RULES[] = {
    ENDS(elementwise),
    ACT(elementwise),
    DIM(elementwise, count),
    ZERO_POINT(elementwise, input_zero_point),
    ZERO_POINT(elementwise, output_zero_point),
    RULE(elementwise, input_xor, CHOICE, 0, 0x80),
    RULE(elementwise, output_xor, CHOICE, 0, 0x80),
    RULE(elementwise, multiplier, INT, 0, INT32_MAX),
    RULE(elementwise, shift, INT, -31, 30),
    RULE(elementwise, scale, POSITIVE, 0, 0),
};
static const field_rule SPECTRUM_RULES[] = {
    ENDS(spectrum),
    RULE(spectrum, scratch_bytes, REGION_BYTES, 0, 0),
    DIM(spectrum, frames),
    DIM(spectrum, channels),
    RULE(spectrum, frame_size, POWER_OF_TWO, 16, 32768),
    RULE(spectrum, bands, DIM, 1, 0),
    RULE(spectrum, remove_mean, CHOICE, 0, 1),
    RULE(spectrum, log, CHOICE, 0, 1),
    RULE(spectrum, power_scale, POSITIVE, 0, 0),
    RULE(spectrum, floor, POSITIVE, 0, 0),
};

static const field_rule ZERO = {FIELD_INT, 0, 0};

static const field_rule *const RULES[FAMILIES] = {
    CONV2D_RULES, DEPTHWISE_CONV2D_RULES, FULLY_CONNECTED_RULES, POOL_RULES,     MEAN_RULES,
    ADD_RULES,    SOFTMAX_RULES,          ELEMENTWISE_RULES,     SPECTRUM_RULES,
};

edge_family field_family(const edge_kernel *k) {
  static const edge_family families[] = {
#define FAMILY(family, first, second) [EDGE_KERNEL_##first] = FAMILY_##family, [EDGE_KERNEL_##second] = FAMILY_##family
      FAMILY(conv2d, conv2d_s8, conv2d_f32),
      FAMILY(depthwise_conv2d, depthwise_conv2d_s8, depthwise_conv2d_f32),
      FAMILY(fully_connected, fully_connected_s8, fully_connected_f32),
      FAMILY(pool, average_pool_s8, average_pool_f32),
      FAMILY(pool, max_pool_s8, max_pool_f32),
      FAMILY(mean, mean_s8, mean_f32),
      FAMILY(add, add_s8, add_f32),
      FAMILY(softmax, softmax_s8, softmax_f32),
      FAMILY(elementwise, quantize_f32_s8, dequantize_s8_f32),
      FAMILY(elementwise, requantize_s8, clamp_f32),
      [EDGE_KERNEL_spectrum_f32] = FAMILY_spectrum,
  };
  if (k->id > EDGE_KERNEL_spectrum_f32) __builtin_trap();
  return families[k->id];
}

int field_is_float(const edge_kernel *k) {
  switch ((int)k->id) {
    case EDGE_KERNEL_conv2d_f32:
    case EDGE_KERNEL_depthwise_conv2d_f32:
    case EDGE_KERNEL_fully_connected_f32:
    case EDGE_KERNEL_average_pool_f32:
    case EDGE_KERNEL_max_pool_f32:
    case EDGE_KERNEL_mean_f32:
    case EDGE_KERNEL_add_f32:
    case EDGE_KERNEL_softmax_f32:
    case EDGE_KERNEL_clamp_f32:
    case EDGE_KERNEL_spectrum_f32:
      return 1;
    default:
      return 0;
  }
}

/* Fields that only some of the four kernels use must be 0 in the others; dequantize does not look at its bounds. */
static void bind_elementwise(const edge_kernel *k, uint32_t field, field_rule *rule) {
  const int quantize = k->id == EDGE_KERNEL_quantize_f32_s8, dequantize = k->id == EDGE_KERNEL_dequantize_s8_f32;
  const int requantize = k->id == EDGE_KERNEL_requantize_s8;
  const int is_fixed = field == EDGE_FIELD_elementwise_multiplier || field == EDGE_FIELD_elementwise_shift;
  if (is_fixed && !requantize) *rule = ZERO;
  if (field == EDGE_FIELD_elementwise_scale && !quantize && !dequantize) rule->kind = FIELD_REAL_ZERO;
  if (dequantize && (rule->kind == FIELD_ACT_MIN || rule->kind == FIELD_ACT_MAX)) rule->kind = FIELD_FREE;
}

/* Offsets that float kernels have no use for. */
static int is_unused_offset(const edge_kernel *k, uint32_t field) {
  switch ((int)k->id) {
    case EDGE_KERNEL_conv2d_f32:
      return field == EDGE_FIELD_conv2d_multiplier || field == EDGE_FIELD_conv2d_shift;
    case EDGE_KERNEL_depthwise_conv2d_f32:
      return field == EDGE_FIELD_depthwise_conv2d_multiplier || field == EDGE_FIELD_depthwise_conv2d_shift;
    case EDGE_KERNEL_fully_connected_f32:
      return field == EDGE_FIELD_fully_connected_scale;
    default:
      return 0;
  }
}

field_rule field_rule_of(const edge_kernel *k, const uint32_t *words, uint32_t field) {
  const edge_family family = field_family(k);
  const int is_float = field_is_float(k);
  field_rule rule = RULES[family][field];
  if (rule.kind == FIELD_INT && is_float && family != FAMILY_elementwise) return ZERO;
  if (is_unused_offset(k, field)) return ZERO;
  field_bind(k, words, field, &rule);
  if (family == FAMILY_softmax && rule.kind == FIELD_FINITE && !is_float) return ZERO;
  if (family == FAMILY_elementwise) bind_elementwise(k, field, &rule);
  return rule;
}

static int keeps(const edge_kernel *k, const uint32_t *words, uint32_t field, field_rule rule) {
  const uint32_t word = words[field];
  const int32_t number = (int32_t)word;
  const int32_t partner = rule.kind == FIELD_ACT_MIN ? (int32_t)words[field + 1u] : 0;
  switch (rule.kind) {
    case FIELD_VERSION:
      return word == EDGE_ABI_VERSION;
    case FIELD_NODE:
      return word < EDGE_MAX_NODES;
    case FIELD_REGION_BYTES:
      return (int64_t)word >= rule.low;
    case FIELD_DIM:
    case FIELD_PAD:
      return (int64_t)word >= rule.low && (int64_t)word <= rule.high;
    case FIELD_MULTIPLE:
      return word != 0 && rule.low != 0 && word % rule.low == 0;
    case FIELD_DIVISOR:
      return word != 0 && rule.high % word == 0;
    case FIELD_POWER_OF_TWO:
      return (int64_t)word >= rule.low && (int64_t)word <= rule.high && (word & (word - 1u)) == 0;
    case FIELD_INT:
      return number >= rule.low && number <= rule.high;
    case FIELD_CHOICE:
      return word == 0 || (int64_t)word == rule.high;
    case FIELD_ACT_MIN: /* the next word is act_max */
      return field_is_float(k) ? word_float(word) <= word_float(words[field + 1u])
                               : (number >= rule.low && number <= partner && partner <= rule.high);
    case FIELD_REAL_ZERO:
      return word << 1 == 0;
    case FIELD_FINITE:
      return isfinite(word_float(word));
    case FIELD_POSITIVE:
      return isfinite(word_float(word)) && word_float(word) > 0.0f;
    default:
      return 1;
  }
}

int field_keeps(const edge_kernel *k, const uint32_t *words, uint32_t field) {
  return keeps(k, words, field, field_rule_of(k, words, field));
}
