/* Operations on plain integers. Sums and products wrap, as the reference's do on the machines it runs on. */
#include "map.h"

/* In 64 bits, where the quotient of two int32 always fits. */
static inline int64_t quotient(int64_t x, int64_t y) {
  return y == 0 ? 0 : (y == -1 ? (int64_t)(0u - (uint64_t)x) : x / y);
}

static inline int64_t rest_of(int64_t x, int64_t y) { return y == 0 || y == -1 ? 0 : x % y; }

static inline int64_t floor_div(int64_t x, int64_t y) {
  const int64_t rest = rest_of(x, y);
  return quotient(x, y) - (rest != 0 && (rest < 0) != (y < 0));
}

static inline int64_t floor_mod(int64_t x, int64_t y) {
  const int64_t rest = rest_of(x, y);
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

/* x^y by squaring; negative powers are cut to a whole number: 0 but for 1 and -1. */
static inline int64_t power(int64_t x, int64_t y) {
  if (y < 0) return x == 1 ? 1 : (x == -1 ? ((y & 1) != 0 ? -1 : 1) : 0);
  uint64_t result = 1, base = (uint64_t)x;
  for (; y != 0; y >>= 1) {
    if ((y & 1) != 0) result *= base;
    base *= base;
  }
  return (int64_t)result;
}

static inline int64_t wrapped_add(int64_t x, int64_t y) { return (int64_t)((uint64_t)x + (uint64_t)y); }
static inline int64_t wrapped_sub(int64_t x, int64_t y) { return (int64_t)((uint64_t)x - (uint64_t)y); }
static inline int64_t wrapped_mul(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }
static inline int64_t bounded(int64_t x, int64_t low, int64_t high) { return x < low ? low : (x > high ? high : x); }

/* x and y are int64, and so is the answer; TYPE cuts it before the clamp. */
#define EACH(TYPE, name, expression)                        \
  case EDGE_MAP_##name:                                     \
    for (uint32_t i = 0; i < n; i++) {                      \
      const int64_t x = a[i], y = b[i];                     \
      (void)y;                                              \
      to[i] = (TYPE)bounded((TYPE)(expression), low, high); \
    }                                                       \
    break;

#define ARITHMETIC(TYPE)                                                            \
  EACH(TYPE, ADD, wrapped_add(x, y))                                                \
  EACH(TYPE, SUB, wrapped_sub(x, y))                                                \
  EACH(TYPE, MUL, wrapped_mul(x, y))                                                \
  EACH(TYPE, DIV, quotient(x, y))                                                   \
  EACH(TYPE, MAXIMUM, x > y ? x : y)                                                \
  EACH(TYPE, MINIMUM, x < y ? x : y)                                                \
  EACH(TYPE, SQUARED_DIFFERENCE, wrapped_mul(wrapped_sub(x, y), wrapped_sub(x, y))) \
  EACH(TYPE, POW, power(x, y))                                                      \
  EACH(TYPE, FLOOR_DIV, floor_div(x, y))                                            \
  EACH(TYPE, FLOOR_MOD, floor_mod(x, y))                                            \
  EACH(TYPE, ABS, x < 0 ? wrapped_sub(0, x) : x)                                    \
  EACH(TYPE, NEGATIVE, wrapped_sub(0, x))                                           \
  EACH(TYPE, SIGN, (x > 0) - (x < 0))

/* Shifts of less than nothing or of all bits are held inside. */
#define BITS(TYPE)                                                           \
  EACH(TYPE, AND, x &y)                                                      \
  EACH(TYPE, OR, x | y)                                                      \
  EACH(TYPE, XOR, x ^ y)                                                     \
  EACH(TYPE, SHIFT_RIGHT, x >> bounded(y, 0, 8 * (int64_t)sizeof(TYPE) - 1)) \
  EACH(TYPE, SHIFT_RIGHT_UNSIGNED,                                           \
       (x & (int64_t)(((uint64_t)2 << (8 * sizeof(TYPE) - 1)) - 1)) >> bounded(y, 0, 8 * (int64_t)sizeof(TYPE) - 1))

void edge_s32_map__ref(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) {
  const int32_t *a = first, *b = second;
  const int64_t low = d->act_min.i, high = d->act_max.i;
  int32_t *to = output;
  switch (d->operation) {
    ARITHMETIC(int32_t)
    BITS(int32_t)
    default:
      break;
  }
}

void edge_s64_map__ref(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) {
  const int64_t *a = first, *b = second;
  const int64_t low = d->act_min.i == INT32_MIN ? INT64_MIN : d->act_min.i;
  const int64_t high = d->act_max.i == INT32_MAX ? INT64_MAX : d->act_max.i;
  int64_t *to = output;
  switch (d->operation) {
    ARITHMETIC(int64_t)
    default:
      break;
  }
}
