/* One step of a recurrent layer's dense part, inside. */
#ifndef EDGE_GATES_H
#define EDGE_GATES_H

#include "../abi/kernel.h"

typedef void edge_gates_kernel(const edge_gates_desc *d, uint8_t *base);
edge_gates_kernel edge_qs8_gates__ref, edge_f32_gates__ref, edge_qs8_project__ref;
edge_gates_kernel edge_qs8_gates__avx2, edge_f32_gates__avx2, edge_qs8_project__avx2;

#endif
