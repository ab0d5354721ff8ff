/* MultiplyByQuantizedMultiplier on vectors: what lanes_<isa>.h have in common.
 *
 * fixed_point.h's edge_mbqm for shift in [-31, 30], in four words a channel, so that one sequence of instructions
 * serves every multiplier and every shift, left or right:
 *
 *     y = (x * 2^left * multiplier + 2^30) >> 31
 *     result = sign(y) * ((|y| + round) >> right)        half away from zero is what TFLite's second rounding is
 *
 * Wasm has no shift with a count per lane: there `left` is the factor 2^left, and `right` the factor 2^(31 - right)
 * whose product is shifted by 31 ("powers").
 */
#ifndef EDGE_LANES_H
#define EDGE_LANES_H

#include <stdint.h>

typedef struct edge_scale_words {
  int32_t multiplier, left, right, round;
} edge_scale_words;

static inline edge_scale_words edge_scale_words_of(int32_t multiplier, int32_t shift, int powers) {
  const uint32_t left = shift > 0 ? (uint32_t)shift : 0u, right = shift < 0 ? (uint32_t)-shift : 0u;
  edge_scale_words words = {multiplier, (int32_t)left, (int32_t)right, 0};
  if (right != 0) words.round = INT32_C(1) << (right - 1u);
  if (powers) {
    words.left = (int32_t)(UINT32_C(1) << left);
    words.right = (int32_t)(UINT32_C(1) << (31u - right));
  }
  return words;
}

/* The same in float64, for shift in [-13, 0]. With P = x * multiplier, D = 2^(31 - shift) and d = 2^(shift - 1) (0 for
 * shift 0), the two roundings of edge_mbqm are one:
 *
 *     result = floor(P / D + 1/2 + d)    or, for x < 0,    floor(P / D + 1/2 - d)
 *            = nearest integer to x * factor + (x < 0 ? down : up),
 *
 * factor = multiplier / D, up = d + 1 / 2D, down = -d + 1 / 2D: P / D and d are multiples of 1 / D, so the extra half
 * of one decides ties and nothing else. All of it is exact in 53 bits while |result| < 2^8; from there on sums stay
 * monotonic, and no int8 output can tell the values apart. (-P <= 2^30 with x < 0, where edge_mbqm takes the first
 * form, gives 0 by both.) */
static inline int edge_scale_has_fractions(int32_t shift) { return shift >= -13 && shift <= 0; }

/* Writes lane `lane` of the arrays factor, up, down f64[lanes]. */
static inline void edge_scale_fractions_of(int32_t multiplier, int32_t shift, double *to, uint32_t lanes,
                                           uint32_t lane) {
  const double unit = 1.0 / (double)(INT64_C(1) << (31 - shift)); /* 1 / D */
  const double d = shift == 0 ? 0.0 : 0.5 / (double)(INT64_C(1) << -shift);
  to[lane] = multiplier * unit;
  to[lanes + lane] = 0.5 * unit + d;
  to[2u * lanes + lane] = 0.5 * unit - d;
}

#endif
