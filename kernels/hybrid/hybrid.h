/* Dense layers of int8 weights over rounded floats, inside. */
#ifndef EDGE_HYBRID_H
#define EDGE_HYBRID_H

#include "../abi/kernel.h"
#include "../common/dynamic_grid.h"

typedef void edge_hybrid_kernel(const edge_hybrid_desc *d, uint8_t *base);
edge_hybrid_kernel edge_f32_hybrid__ref, edge_f32_hybrid__avx2;

#endif
