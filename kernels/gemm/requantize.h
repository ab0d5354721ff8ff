/* From an int32 accumulator to an int8 output, one channel at a time: the truth for the vector epilogues. */
#ifndef EDGE_REQUANTIZE_H
#define EDGE_REQUANTIZE_H

#include "../common/fixed_point.h"
#include "gemm.h"

/* acc * scale rounded half away from zero, saturated to int32. scale: finite, >= 0. */
static inline int32_t edge_round_f64(int32_t acc, double scale) {
  const double real = (double)acc * scale;
  if (real >= 2147483647.0) return INT32_MAX;
  if (real <= -2147483648.0) return INT32_MIN;
  const int64_t whole = (int64_t)real;
  const double rest = real - (double)whole; /* exact */
  return (int32_t)(whole + (rest >= 0.5) - (rest <= -0.5));
}

/* clamp(scaled + zero_point), the sum in 64 bits. */
static inline int8_t edge_output_s8(int32_t scaled, int32_t zero_point, int32_t act_min, int32_t act_max) {
  const int64_t value = (int64_t)scaled + zero_point;
  return (int8_t)(value < act_min ? act_min : (value > act_max ? act_max : value));
}

/* edge_mbqm() with the constants of a tile of `nr` channels. */
static inline int32_t edge_tile_mbqm(const int32_t *words, uint32_t nr, uint32_t lane, int32_t acc) {
  const int32_t shift = words[EDGE_TILE_LEFT * nr + lane] - words[EDGE_TILE_RIGHT * nr + lane];
  return edge_mbqm(acc, words[EDGE_TILE_MULTIPLIER * nr + lane], shift);
}

#endif
