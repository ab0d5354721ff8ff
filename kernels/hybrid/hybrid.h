/* Dense layers of int8 weights over rounded floats, inside. */
#ifndef EDGE_HYBRID_H
#define EDGE_HYBRID_H

#include "../abi/kernel.h"
#include "../common/dynamic_grid.h"

void edge_f32_hybrid__ref(const edge_hybrid_desc *d, uint8_t *base);

#endif
