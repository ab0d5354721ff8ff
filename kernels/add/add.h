/* Addition, inside. A kernel adds `count` elements that are contiguous in both operands; add.c cuts the rows of a call
 * into such spans, so that repeated operands cost nothing in the kernels. output may be a or b. */
#ifndef EDGE_ADD_H
#define EDGE_ADD_H

#include "../abi/kernel.h"

typedef void edge_add_kernel(const edge_add_desc *d, const uint8_t *a, const uint8_t *b, uint8_t *output,
                             uint32_t count);

edge_add_kernel edge_qs8_add__ref, edge_f32_add__ref;
edge_add_kernel edge_qs8_add__avx2, edge_qs8_add__avx512vnni, edge_qs8_add__wasm_simd128, edge_qs8_add__neon;
edge_add_kernel edge_f32_add__avx2, edge_f32_add__avx512vnni, edge_f32_add__wasm_simd128, edge_f32_add__neon;

/* The numbers of the estimate that add_lanes.inc explains. bits == 0: there is none that decides often enough.
 * upper, lower: an int16 pair each, a's weight in the lower half. */
typedef struct edge_add_estimate {
  int32_t upper, lower, constant, margin, mask;
  uint32_t bits;
} edge_add_estimate;

edge_add_estimate edge_add_plan(const edge_add_desc *d);

/* Left shift of the centred operands before they are scaled (TFLite's left_shift). */
#define EDGE_ADD_LEFT 20

#endif
