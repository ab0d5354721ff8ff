/* Rounding floats to 8-bit steps of their own range, inside. */
#ifndef EDGE_DYNAMIC_H
#define EDGE_DYNAMIC_H

#include "../abi/kernel.h"
#include "../common/dynamic_grid.h"

void edge_f32_dynamic_range__ref(const edge_dynamic_desc *d, uint8_t *base);
void edge_f32_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base);
void edge_qs8_dynamic_round__ref(const edge_dynamic_desc *d, uint8_t *base);
void edge_f32_dynamic_scale__ref(const edge_dynamic_desc *d, uint8_t *base);

#endif
