/* Soft-max, inside. */
#ifndef EDGE_SOFTMAX_H
#define EDGE_SOFTMAX_H

#include "../abi/kernel.h"

void edge_qs8_softmax__ref(const edge_softmax_desc *d, uint8_t *base);
/* One row a step: e^(beta (x - max)) in float32, divided by its sum in float64. output may be input. */
void edge_f32_softmax__ref(const edge_softmax_desc *d, uint8_t *base);

#endif
