/* Rounding floats to 8-bit steps of their own range, inside. */
#ifndef EDGE_DYNAMIC_H
#define EDGE_DYNAMIC_H

#include "../abi/kernel.h"

/* Values of a row: edge_sdk.abi knows this number too. */
#define EDGE_DYNAMIC_BLOCK 4096u

static inline uint32_t edge_dynamic_blocks(const edge_dynamic_desc *d) {
  return (d->count - 1u) / EDGE_DYNAMIC_BLOCK + 1u;
}

void edge_f32_dynamic_range__ref(const edge_dynamic_desc *d, uint8_t *base);
void edge_f32_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base);
void edge_f32_dynamic_scale__ref(const edge_dynamic_desc *d, uint8_t *base);

#endif
