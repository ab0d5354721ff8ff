/* A part of linear memory. Nothing here comes from the kernels' own checks: these functions judge them. */
#ifndef EDGE_TEST_EXTENT_H
#define EDGE_TEST_EXTENT_H

#include "kernels/abi/kernel.h"

typedef struct extent {
  uint64_t begin, bytes;
} extent;

/* a * b, or UINT64_MAX when that does not fit. */
static inline uint64_t times(uint64_t a, uint64_t b) {
  const unsigned __int128 product = (unsigned __int128)a * b;
  return product > UINT64_MAX ? UINT64_MAX : (uint64_t)product;
}

/* a + b, or UINT64_MAX when that does not fit. */
static inline uint64_t plus(uint64_t a, uint64_t b) {
  const unsigned __int128 sum = (unsigned __int128)a + b;
  return sum > UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

/* 1 if the extent has bytes and all of them are in the model's part of memory. */
static inline int extent_inside(extent r, const edge_memory *memory) {
  const unsigned __int128 end = (unsigned __int128)r.begin + r.bytes;
  return r.bytes != 0 && r.begin >= EDGE_KERNEL_RESERVE && end <= memory->size;
}

#endif
