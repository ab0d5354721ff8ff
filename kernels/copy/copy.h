/* Strided copies, inside. */
#ifndef EDGE_COPY_H
#define EDGE_COPY_H

#include "../abi/kernel.h"

#define EDGE_COPY_LOOPS 8u

/* The loops of a descriptor as arrays. */
typedef struct edge_copy_loops {
  uint32_t size[EDGE_COPY_LOOPS];
  int32_t from[EDGE_COPY_LOOPS];
  int32_t to[EDGE_COPY_LOOPS];
} edge_copy_loops;

edge_copy_loops edge_copy_loops_of(const edge_copy_desc *d);

typedef void edge_copy_kernel(const edge_copy_desc *d, uint8_t *base);

/* Element by element, each found from its number alone. */
edge_copy_kernel edge_copy__ref;
/* Run by run: the innermost loop in one go where it lies in one piece, or repeats one element. */
edge_copy_kernel edge_copy__runs;

#endif
