/* Operations on quantised elements, and on plain numbers of one or two bytes, which wrap. Integers throughout. */
#include "../common/fixed_point.h"
#include "../common/fixed_real.h"
#include "map.h"

static inline int32_t clamped(const edge_map_desc *d, int64_t x) {
  return (int32_t)(x < d->act_min.i ? d->act_min.i : (x > d->act_max.i ? d->act_max.i : x));
}

static inline int32_t wrapped_mul(int32_t x, int32_t y) { return (int32_t)((uint32_t)x * (uint32_t)y); }

static inline int32_t scaled(const edge_map_desc *d, int32_t x) { return edge_mbqm(x, d->multiplier, d->shift); }

static inline int32_t common_a(const edge_map_desc *d, int32_t x) {
  return edge_mbqm((int32_t)((uint32_t)x << d->left), d->a_multiplier, d->a_shift);
}

static inline int32_t common_b(const edge_map_desc *d, int32_t x) {
  return edge_mbqm((int32_t)((uint32_t)x << d->left), d->b_multiplier, d->b_shift);
}

static inline int32_t sum(const edge_map_desc *d, int32_t x, int32_t y) {
  return (int32_t)((uint32_t)common_a(d, x) + (uint32_t)common_b(d, y));
}

static inline int32_t difference(const edge_map_desc *d, int32_t x, int32_t y) {
  return (int32_t)((uint32_t)common_a(d, x) - (uint32_t)common_b(d, y));
}

/* x / 2^right, ties away from zero. From 32 on the reference shifts by right - 32 and adds one to what is not negative:
 * its mask has then all bits. So small quotients come out as they do there. */
static inline int32_t reference_shift(int32_t x, int32_t right) {
  if (right < 0) return x;
  if (right > 31) return (x >> (right & 31)) + (x >= 0);
  return (int32_t)(((int64_t)x + ((INT64_C(1) << right) >> 1) - (x < 0 && right > 0)) >> right);
}

/* The quotient through a Q0.31 reciprocal, with all the bits that x leaves free; 0 where y is. */
static inline int32_t quotient(const edge_map_desc *d, int32_t x, int32_t y) {
  if (y == 0) return 0;
  if (y < 0) x = -x, y = -y;
  int32_t right;
  const int32_t inverse = edge_fixed_reciprocal((uint32_t)y, 31, &right);
  const int32_t size = x < 0 ? ~x : x, headroom = size == 0 ? 31 : __builtin_clz((uint32_t)size) - 1;
  const int32_t unscaled = edge_mbqm(x, inverse, headroom);
  return reference_shift(edge_mbqm(unscaled, d->multiplier, 0), right + headroom - d->shift);
}

static inline int32_t prelu(const edge_map_desc *d, int32_t x, int32_t y) {
  return x >= 0 ? edge_mbqm(x, d->a_multiplier, d->a_shift) : scaled(d, wrapped_mul(x, y));
}

/* x / 2^right, ties away from zero. */
static inline int32_t rounding_shift(int32_t x, int32_t right) {
  return right == 0 ? x : (x + (1 << (right - 1)) - (x < 0)) >> right;
}

static inline int32_t saturated(int32_t x) { return edge_clamp_s32(x, -32768, 32767); }

/* Signs and zero divisors as in map_integer_ref.c. */
static inline int32_t floor_mod(int32_t x, int32_t y) {
  const int32_t rest = y == 0 ? 0 : x % y;
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

static inline int32_t floor_div(int32_t x, int32_t y) { return y == 0 ? 0 : (x - floor_mod(x, y)) / y; }

static inline int32_t shift_of(int32_t y, int32_t bits) { return edge_clamp_s32(y, 0, bits - 1); }

#define STEPS(name, expression)                                               \
  case EDGE_MAP_STEPS_##name:                                                 \
    for (uint32_t i = 0; i < n; i++) {                                        \
      const int32_t x = a[i] - d->a_zero_point, y = b[i] - d->b_zero_point;   \
      to[i] = (STEP)clamped(d, (int64_t)(expression) + d->output_zero_point); \
    }                                                                         \
    break;

#define PLAIN(name, expression)                     \
  case EDGE_MAP_##name:                             \
    for (uint32_t i = 0; i < n; i++) {              \
      const int32_t x = a[i], y = b[i];             \
      to[i] = (STEP)clamped(d, (STEP)(expression)); \
    }                                               \
    break;

#define ALL_STEPS                                                                             \
  STEPS(ADD, scaled(d, sum(d, x, y)))                                                         \
  STEPS(SUB, scaled(d, difference(d, x, y)))                                                  \
  STEPS(MUL, scaled(d, wrapped_mul(x, y)))                                                    \
  STEPS(DIV, quotient(d, x, y))                                                               \
  STEPS(SQUARED_DIFFERENCE, scaled(d, wrapped_mul(difference(d, x, y), difference(d, x, y)))) \
  STEPS(PRELU, prelu(d, x, y))

#define ALL_PLAIN(bits)                      \
  PLAIN(ADD, x + y)                          \
  PLAIN(MUL, wrapped_mul(x, y))              \
  PLAIN(MAXIMUM, x > y ? x : y)              \
  PLAIN(MINIMUM, x < y ? x : y)              \
  PLAIN(FLOOR_DIV, floor_div(x, y))          \
  PLAIN(FLOOR_MOD, floor_mod(x, y))          \
  PLAIN(AND, x &y)                           \
  PLAIN(OR, x | y)                           \
  PLAIN(XOR, x ^ y)                          \
  PLAIN(SHIFT_RIGHT, x >> shift_of(y, bits)) \
  PLAIN(SHIFT_RIGHT_UNSIGNED, (x & ((1 << bits) - 1)) >> shift_of(y & ((1 << bits) - 1), bits))

#define STEP int8_t
void edge_s8_map__ref(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) {
  const int8_t *a = first, *b = second;
  int8_t *to = output;
  switch (d->operation) {
    ALL_STEPS
    ALL_PLAIN(8)
    default:
      break;
  }
}
#undef STEP

#define STEP int16_t
void edge_s16_map__ref(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) {
  const int16_t *a = first, *b = second;
  int16_t *to = output;
  switch (d->operation) {
    ALL_STEPS
    ALL_PLAIN(16)
    STEPS(SHIFTED_ADD, saturated(rounding_shift(x, -d->a_shift) + rounding_shift(y, -d->b_shift)))
    STEPS(SHIFTED_SUB, saturated(rounding_shift(x, -d->a_shift) - rounding_shift(y, -d->b_shift)))
    default:
      break;
  }
}
#undef STEP
