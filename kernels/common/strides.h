/* Up to six dimensions, and operands whose steps along each are given: 0 where an operand is repeated (broadcast).
 *
 * Descriptors hold sizes and strides as runs of EDGE_AXES words, outermost first; unused dimensions are 1. Strides
 * count elements; along the last dimension they are 0 or 1. The output is dense, so its elements are counted 0, 1 ...
 */
#ifndef EDGE_STRIDES_H
#define EDGE_STRIDES_H

#include "check.h"

enum { EDGE_AXES = 6, EDGE_OPERANDS = 3 };

/* 1 if every size is positive and their product is `count`. */
static inline int edge_sizes_ok(const uint32_t *sizes, uint32_t count) {
  uint64_t product = 1;
  for (int k = 0; k < EDGE_AXES; k++) {
    if (sizes[k] == 0) return 0;
    product = edge_mul(product, sizes[k]);
  }
  return product == count;
}

/* Elements from the first to the last that an operand reads; saturates. */
static inline uint64_t edge_strided_extent(const uint32_t *sizes, const uint32_t *strides) {
  uint64_t last = 0;
  for (int k = 0; k < EDGE_AXES; k++) last = edge_add(last, edge_mul(sizes[k] - 1u, strides[k]));
  return edge_add(last, 1);
}

/* 1 if the operand's elements lie one after the other in the order of the output. */
static inline int edge_strided_dense(const uint32_t *sizes, const uint32_t *strides) {
  uint64_t step = 1;
  for (int k = EDGE_AXES - 1; k >= 0; k--) {
    if (sizes[k] != 1 && strides[k] != step) return 0;
    step = edge_mul(step, sizes[k]);
  }
  return 1;
}

/* Where a walk over the output's elements stands: the coordinates, and each operand's element there. */
typedef struct edge_walk {
  const uint32_t *sizes, *strides[EDGE_OPERANDS];
  uint32_t at[EDGE_AXES];
  uint64_t element[EDGE_OPERANDS];
} edge_walk;

/* Moves to output element `first`. sizes and strides are set, of all EDGE_OPERANDS. */
static inline void edge_walk_to(edge_walk *w, uint32_t first) {
  for (int o = 0; o < EDGE_OPERANDS; o++) w->element[o] = 0;
  for (int k = EDGE_AXES - 1; k >= 0; k--) {
    w->at[k] = first % w->sizes[k];
    first /= w->sizes[k];
    for (int o = 0; o < EDGE_OPERANDS; o++) w->element[o] += (uint64_t)w->at[k] * w->strides[o][k];
  }
}

/* Elements left on the line along the last dimension. */
static inline uint32_t edge_walk_line(const edge_walk *w) { return w->sizes[EDGE_AXES - 1] - w->at[EDGE_AXES - 1]; }

/* Moves to the beginning of the next line. */
static inline void edge_walk_next(edge_walk *w) {
  const int inner = EDGE_AXES - 1;
  for (int o = 0; o < EDGE_OPERANDS; o++) w->element[o] -= (uint64_t)w->at[inner] * w->strides[o][inner];
  w->at[inner] = 0;
  for (int k = inner - 1; k >= 0; k--) {
    w->at[k]++;
    for (int o = 0; o < EDGE_OPERANDS; o++) w->element[o] += w->strides[o][k];
    if (w->at[k] < w->sizes[k]) return;
    for (int o = 0; o < EDGE_OPERANDS; o++) w->element[o] -= (uint64_t)w->sizes[k] * w->strides[o][k];
    w->at[k] = 0;
  }
}

#endif
