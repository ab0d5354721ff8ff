/* Reductions. Elements that lie side by side in the output are reduced together, a few at a time, so that the input is
 * read in order. */
#include "reduce.h"

#include "../common/fixed_point.h"

#define LANES 32u

/* Where a group of results lies: its first element of the input and of the output, and how many there are. */
typedef struct group {
  size_t input, output;
  uint32_t lanes;
} group;

static group group_at(const edge_reduce_desc *d, uint32_t row) {
  const uint32_t outer = row / d->inner, first = row % d->inner;
  uint32_t lanes = d->inner - first < d->end - row ? d->inner - first : d->end - row;
  if (lanes > LANES) lanes = LANES;
  const group g = {(size_t)outer * d->reduced * d->inner + first, row, lanes};
  return g;
}

/* Defines reduce_NAME: acc = FIRST(x) of the first element, acc = NEXT(acc, x) of the others, out = LAST(acc). */
#define REDUCE(NAME, TYPE, ACC, FIRST, NEXT, LAST)                                      \
  static void reduce_##NAME(const edge_reduce_desc *d, uint8_t *base) {                 \
    const TYPE *input = (const TYPE *)(const void *)(base + d->input);                  \
    TYPE *output = (TYPE *)(void *)(base + d->output);                                  \
    for (uint32_t row = d->begin; row < d->end;) {                                      \
      const group g = group_at(d, row);                                                 \
      const TYPE *in = input + g.input;                                                 \
      ACC acc[LANES];                                                                   \
      for (uint32_t i = 0; i < g.lanes; i++) acc[i] = FIRST(in[i]);                     \
      for (uint32_t r = 1; r < d->reduced; r++) {                                       \
        in += d->inner;                                                                 \
        for (uint32_t i = 0; i < g.lanes; i++) acc[i] = NEXT(acc[i], in[i]);            \
      }                                                                                 \
      for (uint32_t i = 0; i < g.lanes; i++) output[g.output + i] = (TYPE)LAST(acc[i]); \
      row += g.lanes;                                                                   \
    }                                                                                   \
  }

/* Defines arg_NAME: the index of the first element that BEATS all before it. */
#define ARG(NAME, TYPE, BEATS)                                           \
  static void arg_##NAME(const edge_reduce_desc *d, uint8_t *base) {     \
    const TYPE *input = (const TYPE *)(const void *)(base + d->input);   \
    for (uint32_t row = d->begin; row < d->end;) {                       \
      const group g = group_at(d, row);                                  \
      const TYPE *in = input + g.input;                                  \
      TYPE best[LANES];                                                  \
      uint32_t at[LANES];                                                \
      for (uint32_t i = 0; i < g.lanes; i++) best[i] = in[i], at[i] = 0; \
      for (uint32_t r = 1; r < d->reduced; r++) {                        \
        in += d->inner;                                                  \
        for (uint32_t i = 0; i < g.lanes; i++) {                         \
          if (in[i] BEATS best[i]) best[i] = in[i], at[i] = r;           \
        }                                                                \
      }                                                                  \
      put_indices(d, base, &g, at);                                      \
      row += g.lanes;                                                    \
    }                                                                    \
  }

static void put_indices(const edge_reduce_desc *d, uint8_t *base, const group *g, const uint32_t *at) {
  for (uint32_t i = 0; i < g->lanes; i++) {
    if (d->index_bytes == 4) {
      ((int32_t *)(void *)(base + d->output))[g->output + i] = (int32_t)at[i];
    } else {
      ((int64_t *)(void *)(base + d->output))[g->output + i] = at[i];
    }
  }
}

/* x * multiplier * 2^(shift - 31) of a 64-bit product: common.cc MultiplyByQuantizedMultiplier(int64_t). */
static inline int32_t scaled_product(const edge_reduce_desc *d, int64_t x) {
  const int64_t factor = d->multiplier < 0x7fff0000 ? (d->multiplier + (1 << 15)) >> 16 : 0x7fff;
  const int32_t down = 15 - d->shift;
  const uint64_t product = (uint64_t)x * (uint64_t)factor + (UINT64_C(1) << (down - 1));
  return (int32_t)(uint32_t)(uint64_t)((int64_t)product >> down);
}

static inline int32_t clamped(const edge_reduce_desc *d, int32_t scaled) {
  const int64_t low = d->type == EDGE_REDUCE_S8 ? -128 : -32768, high = -low - 1;
  const int64_t y = (int64_t)scaled + d->output_zero_point;
  return (int32_t)(y < low ? low : (y > high ? high : y));
}

static inline int32_t scaled_sum(const edge_reduce_desc *d, uint32_t sum) {
  const uint32_t centred = sum - d->reduced * (uint32_t)d->input_zero_point;
  return clamped(d, edge_mbqm((int32_t)centred, d->multiplier, d->shift));
}

#define ITSELF(x) (x)
#define ADD(acc, x) ((acc) + (x))
#define MULTIPLY(acc, x) ((acc) * (x))
#define GREATER(acc, x) ((x) > (acc) ? (x) : (acc))
#define LESS(acc, x) ((x) < (acc) ? (x) : (acc))
#define WRAPPED(x) ((uint32_t)(int32_t)(x))
#define ADD_WRAPPED(acc, x) ((acc) + WRAPPED(x))
#define WRAPPED64(x) ((uint64_t)(x))
#define ADD_WRAPPED64(acc, x) ((acc) + WRAPPED64(x))
#define MULTIPLY_WRAPPED(acc, x) ((acc) * WRAPPED(x))
#define MULTIPLY_WRAPPED64(acc, x) ((acc) * WRAPPED64(x))
#define SIGNED(acc) ((int32_t)(acc))
#define SIGNED64(acc) ((int64_t)(acc))
#define SCALED_SUM(acc) scaled_sum(d, acc)
#define CENTRED(x) ((int32_t)(x) - d->input_zero_point)
#define NEXT_FACTOR(acc, x) scaled_product(d, (int64_t)(acc) * CENTRED(x))
#define SCALED_PRODUCT(acc) clamped(d, scaled_product(d, acc))
#define MEAN_OF(acc) ((int64_t)(acc) / (int64_t)d->reduced)
#define MEAN_F32(acc) ((acc) / (float)d->reduced)
#define TRUTH(x) ((x) != 0)
#define OR(acc, x) ((acc) | TRUTH(x))
#define AND(acc, x) ((acc) & TRUTH(x))

REDUCE(sum_s8, int8_t, uint32_t, WRAPPED, ADD_WRAPPED, SCALED_SUM)
REDUCE(sum_s16, int16_t, uint32_t, WRAPPED, ADD_WRAPPED, SCALED_SUM)
REDUCE(sum_s32, int32_t, uint32_t, WRAPPED, ADD_WRAPPED, SIGNED)
REDUCE(sum_s64, int64_t, uint64_t, WRAPPED64, ADD_WRAPPED64, SIGNED64)
REDUCE(sum_f32, float, float, ITSELF, ADD, ITSELF)
REDUCE(product_s8, int8_t, int32_t, CENTRED, NEXT_FACTOR, SCALED_PRODUCT)
REDUCE(product_s16, int16_t, int32_t, CENTRED, NEXT_FACTOR, SCALED_PRODUCT)
REDUCE(product_s32, int32_t, uint32_t, WRAPPED, MULTIPLY_WRAPPED, SIGNED)
REDUCE(product_s64, int64_t, uint64_t, WRAPPED64, MULTIPLY_WRAPPED64, SIGNED64)
REDUCE(product_f32, float, float, ITSELF, MULTIPLY, ITSELF)
REDUCE(max_s8, int8_t, int8_t, ITSELF, GREATER, ITSELF)
REDUCE(max_s16, int16_t, int16_t, ITSELF, GREATER, ITSELF)
REDUCE(max_s32, int32_t, int32_t, ITSELF, GREATER, ITSELF)
REDUCE(max_s64, int64_t, int64_t, ITSELF, GREATER, ITSELF)
REDUCE(max_f32, float, float, ITSELF, GREATER, ITSELF)
REDUCE(min_s8, int8_t, int8_t, ITSELF, LESS, ITSELF)
REDUCE(min_s16, int16_t, int16_t, ITSELF, LESS, ITSELF)
REDUCE(min_s32, int32_t, int32_t, ITSELF, LESS, ITSELF)
REDUCE(min_s64, int64_t, int64_t, ITSELF, LESS, ITSELF)
REDUCE(min_f32, float, float, ITSELF, LESS, ITSELF)
REDUCE(any, uint8_t, uint8_t, TRUTH, OR, ITSELF)
REDUCE(all, uint8_t, uint8_t, TRUTH, AND, ITSELF)
REDUCE(mean_s32, int32_t, int64_t, ITSELF, ADD, MEAN_OF)
REDUCE(mean_s64, int64_t, uint64_t, WRAPPED64, ADD_WRAPPED64, MEAN_OF)
REDUCE(mean_f32, float, double, ITSELF, ADD, MEAN_F32)
ARG(max_s8, int8_t, >)
ARG(max_s16, int16_t, >)
ARG(max_s32, int32_t, >)
ARG(max_s64, int64_t, >)
ARG(max_f32, float, >)
ARG(min_s8, int8_t, <)
ARG(min_s16, int16_t, <)
ARG(min_s32, int32_t, <)
ARG(min_s64, int64_t, <)
ARG(min_f32, float, <)

typedef void reduction(const edge_reduce_desc *d, uint8_t *base);

/* [operation][type]; NULL where check() refuses the pair. */
static reduction *const reductions[EDGE_REDUCE_OPERATIONS][EDGE_REDUCE_TYPES] = {
    [EDGE_REDUCE_SUM] = {reduce_sum_s8, reduce_sum_s16, reduce_sum_s32, reduce_sum_s64, reduce_sum_f32},
    [EDGE_REDUCE_PRODUCT] = {reduce_product_s8, reduce_product_s16, reduce_product_s32, reduce_product_s64,
                             reduce_product_f32},
    [EDGE_REDUCE_MAX] = {reduce_max_s8, reduce_max_s16, reduce_max_s32, reduce_max_s64, reduce_max_f32},
    [EDGE_REDUCE_MIN] = {reduce_min_s8, reduce_min_s16, reduce_min_s32, reduce_min_s64, reduce_min_f32},
    [EDGE_REDUCE_ANY] = {[EDGE_REDUCE_BOOL] = reduce_any},
    [EDGE_REDUCE_ALL] = {[EDGE_REDUCE_BOOL] = reduce_all},
    [EDGE_REDUCE_MEAN] = {reduce_sum_s8, reduce_sum_s16, reduce_mean_s32, reduce_mean_s64, reduce_mean_f32},
    [EDGE_REDUCE_ARG_MAX] = {arg_max_s8, arg_max_s16, arg_max_s32, arg_max_s64, arg_max_f32},
    [EDGE_REDUCE_ARG_MIN] = {arg_min_s8, arg_min_s16, arg_min_s32, arg_min_s64, arg_min_f32},
};

void edge_reduce__ref(const edge_reduce_desc *d, uint8_t *base) { reductions[d->operation][d->type](d, base); }
