/* Rounding floats to 8-bit steps of their own range, inside. */
#ifndef EDGE_DYNAMIC_H
#define EDGE_DYNAMIC_H

#include "../abi/kernel.h"
#include "../common/dynamic_grid.h"

typedef void edge_dynamic_kernel(const edge_dynamic_desc *d, uint8_t *base);
edge_dynamic_kernel edge_f32_dynamic_range__ref, edge_f32_dynamic_range__avx2;
edge_dynamic_kernel edge_f32_dynamic_round__ref, edge_f32_dynamic_round__avx2;
edge_dynamic_kernel edge_qs8_dynamic_round__ref, edge_qs8_dynamic_round__avx2;
edge_dynamic_kernel edge_f32_dynamic_scale__ref, edge_f32_dynamic_scale__avx2;

#endif
