/* MultiplyByQuantizedMultiplier on vectors: what lanes_<isa>.h have in common.
 *
 * fixed_point.h's edge_mbqm for shift in [-31, 30], in four words a channel, so that one sequence of instructions
 * serves every multiplier and every shift, left or right:
 *
 *     y = (x * 2^left * multiplier + 2^30) >> 31
 *     result = sign(y) * ((|y| + round) >> right)        half away from zero is what TFLite's second rounding is
 *
 * Wasm has no shift with a count per lane: there `left` is the factor 2^left, and `right` the factor 2^(32 - right)
 * whose product's upper half is wanted, or 0 for no shift ("powers").
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
    words.right = right == 0 ? 0 : (int32_t)(UINT32_C(1) << (32u - right));
  }
  return words;
}

#endif
