/* What the files of the GEMM variants share: how a tile is written once and specialised by constants. */
#ifndef EDGE_GEMM_TILE_H
#define EDGE_GEMM_TILE_H

#include "gemm.h"

/* Tile bodies take the tile's size and epilogue as arguments that are constants at every call. Once inlined, all
 * loops over accumulators unroll; one that did not would keep the accumulators in memory. */
#define EDGE_INLINE static inline __attribute__((always_inline))
#define EDGE_UNROLL _Pragma("clang loop unroll(full)")

/* Bytes of the constants before the weights of an int8 tile of `nr` channels. */
#define EDGE_TILE_HEADER(nr) (4u * EDGE_TILE_WORDS * (nr))

/* The largest double below 0.5. trunc(x + copysign(this, x)) is x rounded half away from zero for every x: with 0.5
 * itself, 0.49999999999999994 would become 1. The product and this sum must not be contracted to an FMA. */
#define EDGE_HALF_BELOW 0x1.fffffffffffffp-2

EDGE_INLINE int32_t edge_load_s32(const void *at) {
  int32_t value;
  __builtin_memcpy(&value, at, 4);
  return value;
}

/* The row terms from `row` of the panel on, or NULL. */
EDGE_INLINE const int32_t *edge_row_terms(const edge_gemm_task *task, uint32_t row) {
  return task->row_terms != NULL ? task->row_terms + row : NULL;
}

EDGE_INLINE const int32_t *edge_tile_words(const uint8_t *tile, uint32_t word, uint32_t nr) {
  return (const int32_t *)(const void *)tile + word * nr;
}

#endif
