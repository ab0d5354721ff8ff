/* Gathering by indices, inside. */
#ifndef EDGE_GATHER_H
#define EDGE_GATHER_H

#include "../abi/kernel.h"

#define EDGE_GATHER_DEPTH 8u

/* Where the indices of a row point in input[b, o]: a slice of `inner` elements. UINT64_MAX: out of range. */
uint64_t edge_gather_slice(const edge_gather_desc *d, const uint8_t *base, uint32_t row);

void edge_gather__ref(const edge_gather_desc *d, uint8_t *base);

#endif
