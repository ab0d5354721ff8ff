/* Pools, the truth. */
#include "pool.h"

/* Runs STATEMENT with `x` = channel c of each cell of window w, in rising order. */
#define FOR_EACH_CELL(STATEMENT)                                      \
  for (uint32_t y = w.y_begin; y < w.y_end; y++) {                    \
    for (uint32_t column = w.x_begin; column < w.x_end; column++) {   \
      const element x = input[edge_pool_cell(d, row, y, column) + c]; \
      STATEMENT;                                                      \
    }                                                                 \
  }

/* Defines kernel NAME: for each output, `START`, then `EACH` for the window's values x, then the value `RESULT`. */
#define POOL(NAME, ELEMENT, START, EACH, RESULT)                                                         \
  void NAME(const edge_pool_desc *d, uint8_t *base) {                                                    \
    typedef ELEMENT element;                                                                             \
    const element *input = (const element *)(const void *)(base + d->input);                             \
    for (uint32_t row = d->begin; row < d->end; row++) {                                                 \
      element *output = (element *)(void *)(base + d->output) + (size_t)row * d->output_w * d->channels; \
      for (uint32_t pixel = 0; pixel < d->output_w; pixel++) {                                           \
        const edge_pool_window w = edge_pool_window_of(d, row, pixel);                                   \
        for (uint32_t c = 0; c < d->channels; c++) {                                                     \
          START;                                                                                         \
          FOR_EACH_CELL(EACH)                                                                            \
          *output++ = RESULT;                                                                            \
        }                                                                                                \
      }                                                                                                  \
    }                                                                                                    \
  }

POOL(edge_qs8_average_pool__ref, int8_t, int32_t sum = 0, sum += x,
     (int8_t)edge_pool_mean(sum, edge_pool_cells(w), d->act_min.i, d->act_max.i))
POOL(edge_qu8_average_pool__ref, int8_t, int32_t sum = 0, sum += x,
     (int8_t)edge_pool_mean_u8(sum, edge_pool_cells(w), d->act_min.i, d->act_max.i))
POOL(edge_qs16_average_pool__ref, int16_t, int32_t sum = 0, sum += x,
     (int16_t)edge_pool_mean(sum, edge_pool_cells(w), d->act_min.i, d->act_max.i))
POOL(edge_f32_average_pool__ref, float, float sum = 0.0f, sum += x,
     edge_clamp_f32(sum / (float)edge_pool_cells(w), d->act_min.f, d->act_max.f))
POOL(edge_qs8_max_pool__ref, int8_t, int8_t best = -128, best = x > best ? x : best,
     (int8_t)edge_clamp_s32(best, d->act_min.i, d->act_max.i))
POOL(edge_qs16_max_pool__ref, int16_t, int16_t best = INT16_MIN, best = x > best ? x : best,
     (int16_t)edge_clamp_s32(best, d->act_min.i, d->act_max.i))
POOL(edge_f32_max_pool__ref, float, float best = -3.40282347e38f, best = x > best ? x : best,
     edge_clamp_f32(best, d->act_min.f, d->act_max.f))
