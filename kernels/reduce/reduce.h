/* Reductions, inside. */
#ifndef EDGE_REDUCE_H
#define EDGE_REDUCE_H

#include "../abi/kernel.h"

enum {
  EDGE_REDUCE_SUM,
  EDGE_REDUCE_PRODUCT,
  EDGE_REDUCE_MAX,
  EDGE_REDUCE_MIN,
  EDGE_REDUCE_ANY,
  EDGE_REDUCE_ALL,
  EDGE_REDUCE_MEAN,
  EDGE_REDUCE_ARG_MAX,
  EDGE_REDUCE_ARG_MIN,
  EDGE_REDUCE_OPERATIONS
};

enum {
  EDGE_REDUCE_S8,
  EDGE_REDUCE_S16,
  EDGE_REDUCE_S32,
  EDGE_REDUCE_S64,
  EDGE_REDUCE_F32,
  EDGE_REDUCE_BOOL,
  EDGE_REDUCE_TYPES
};

/* All rows of the call; the same on every instruction set. */
void edge_reduce__ref(const edge_reduce_desc *d, uint8_t *base);

#endif
