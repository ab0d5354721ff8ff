/* What the .def files promise of each field, written down a second time and apart from the kernels' own checks.
 *
 * The known-bad cases break one rule on purpose; a descriptor that a kernel accepts must break none.
 */
#ifndef EDGE_TEST_FIELDS_H
#define EDGE_TEST_FIELDS_H

#include "extent.h"

typedef enum edge_family {
  FAMILY_conv2d,
  FAMILY_depthwise_conv2d,
  FAMILY_fully_connected,
  FAMILY_pool,
  FAMILY_mean,
  FAMILY_add,
  FAMILY_softmax,
  FAMILY_elementwise,
  FAMILY_spectrum,
  FAMILIES,
} edge_family;

typedef enum field_kind {
  FIELD_FREE, /* any value: the offset of a region, or not used by this kernel */
  FIELD_VERSION,
  FIELD_NODE,
  FIELD_REGION_BYTES, /* at least low: of the sandbox's packed or scratch region */
  FIELD_DIM,          /* a count in low .. high */
  FIELD_MULTIPLE,     /* a count, a multiple of low */
  FIELD_DIVISOR,      /* a count, a divisor of high */
  FIELD_POWER_OF_TWO, /* in low .. high */
  FIELD_PAD,          /* in 0 .. high */
  FIELD_INT,          /* signed, in low .. high */
  FIELD_CHOICE,       /* 0 or high */
  FIELD_ACT_MIN,      /* s8: low .. high; f32: not above act_max */
  FIELD_ACT_MAX,
  FIELD_REAL_ZERO, /* 0.0f or -0.0f */
  FIELD_FINITE,    /* a float */
  FIELD_POSITIVE,  /* a finite float above 0 */
  FIELD_BEGIN,
  FIELD_END,
} field_kind;

typedef struct field_rule {
  field_kind kind;
  int64_t low, high;
} field_rule;

/* The rule of field number `field`. Bounds may come from the descriptor's other words. */
field_rule field_rule_of(const edge_kernel *k, const uint32_t *words, uint32_t field);

/* The part of field_rule_of() that looks at the other words. */
void field_bind(const edge_kernel *k, const uint32_t *words, uint32_t field, field_rule *rule);

/* 1 if word `field` keeps its rule. Regions and rows are not looked at. */
int field_keeps(const edge_kernel *k, const uint32_t *words, uint32_t field);

edge_family field_family(const edge_kernel *k);
/* 1 if the numbers of the kernel's descriptor (act_min, zero points ...) are those of a float kernel. */
int field_is_float(const edge_kernel *k);
const char *field_name(const edge_kernel *k, uint32_t field);
static inline uint32_t field_count(const edge_kernel *k) { return k->desc_bytes / 4u; }

static inline float word_float(uint32_t word) {
  float value;
  __builtin_memcpy(&value, &word, 4);
  return value;
}

static inline uint32_t float_word(float value) {
  uint32_t word;
  __builtin_memcpy(&word, &value, 4);
  return word;
}

#endif
