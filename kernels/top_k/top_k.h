/* The greatest elements of each row, inside. */
#ifndef EDGE_TOP_K_H
#define EDGE_TOP_K_H

#include "../abi/kernel.h"

enum { EDGE_TOP_K_S8, EDGE_TOP_K_S16, EDGE_TOP_K_S32, EDGE_TOP_K_S64, EDGE_TOP_K_F32, EDGE_TOP_K_TYPES };

static inline uint32_t edge_top_k_element(uint32_t type) {
  static const uint8_t BYTES[EDGE_TOP_K_TYPES] = {1, 2, 4, 8, 4};
  return BYTES[type];
}

void edge_top_k__ref(const edge_top_k_desc *d, uint8_t *base);

#endif
