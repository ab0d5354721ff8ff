/* Products of two computed matrices, inside. */
#ifndef EDGE_MATMUL_H
#define EDGE_MATMUL_H

#include "../abi/kernel.h"

typedef void edge_matmul_kernel(const edge_matmul_desc *d, uint8_t *base);
edge_matmul_kernel edge_f32_matmul__ref, edge_qs8_matmul__ref, edge_qs16_matmul__ref;
edge_matmul_kernel edge_f32_matmul__avx2, edge_qs8_matmul__avx2, edge_qs16_matmul__avx2;

#endif
