/* Comparisons: a byte for each pair, 1 where it holds. */
#include "../common/fixed_point.h"
#include "map.h"

static inline int32_t common_a(const edge_map_desc *d, int32_t x) {
  return edge_mbqm((int32_t)((uint32_t)(x - d->a_zero_point) << d->left), d->a_multiplier, d->a_shift);
}

static inline int32_t common_b(const edge_map_desc *d, int32_t x) {
  return edge_mbqm((int32_t)((uint32_t)(x - d->b_zero_point) << d->left), d->b_multiplier, d->b_shift);
}

#define EACH(name, of_a, of_b, relation)                                                \
  case EDGE_MAP_##name:                                                                 \
    for (uint32_t i = 0; i < n; i++) to[i] = (uint8_t)(of_a(a[i]) relation of_b(b[i])); \
    break;

#define SAME(x) (x)
#define STEPS_A(x) common_a(d, x)
#define STEPS_B(x) common_b(d, x)

#define ALL(prefix, of_a, of_b)            \
  EACH(prefix##EQUAL, of_a, of_b, ==)      \
  EACH(prefix##NOT_EQUAL, of_a, of_b, !=)  \
  EACH(prefix##LESS, of_a, of_b, <)        \
  EACH(prefix##LESS_EQUAL, of_a, of_b, <=) \
  EACH(prefix##GREATER, of_a, of_b, >)     \
  EACH(prefix##GREATER_EQUAL, of_a, of_b, >=)

#define COMPARE(NAME, TYPE, MORE)                                                                      \
  void NAME(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) { \
    const TYPE *a = first, *b = second;                                                                \
    uint8_t *to = output;                                                                              \
    switch (d->operation) {                                                                            \
      ALL(, SAME, SAME)                                                                                \
      MORE default : break;                                                                            \
    }                                                                                                  \
  }

COMPARE(edge_f32_compare__ref, float, )
COMPARE(edge_s8_compare__ref, int8_t, ALL(STEPS_, STEPS_A, STEPS_B))
COMPARE(edge_s16_compare__ref, int16_t, )
COMPARE(edge_s32_compare__ref, int32_t, )
COMPARE(edge_s64_compare__ref, int64_t, )
