/* Element-wise kernels, inside. */
#ifndef EDGE_ELEMENTWISE_H
#define EDGE_ELEMENTWISE_H

#include "../abi/kernel.h"

typedef void edge_elementwise_kernel(const edge_elementwise_desc *d, uint8_t *base);

/* NaN becomes the zero point; whatever is too large takes the clamp's bound. */
edge_elementwise_kernel edge_f32_qs8_quantize__ref, edge_f32_qs8_quantize__avx2;
edge_elementwise_kernel edge_qs8_f32_dequantize__ref, edge_qs8_f32_dequantize__avx2;
/* Table: the 256 answers first, then one look-up an element. output may be input. */
edge_elementwise_kernel edge_qs8_requantize__ref, edge_qs8_requantize__avx2;
edge_elementwise_kernel edge_qs8_requantize_table__ref, edge_qs8_requantize_table__avx2;
/* NaN stays NaN. output may be input. */
edge_elementwise_kernel edge_f32_clamp__ref, edge_f32_clamp__avx2;

#endif
