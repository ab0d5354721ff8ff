/* Fully connected layer: a GEMM whose rows are the batch and whose slices are output channels. */
#ifndef EDGE_FULLY_CONNECTED_H
#define EDGE_FULLY_CONNECTED_H

#include "../abi/abi.h"

/* The truth, straight from the formula and the unpacked weights: channels d->begin .. d->end - 1.
 * The descriptor must have passed the kernel's check(). */
void edge_qs8_fully_connected_ref(const edge_fully_connected_desc *d, uint8_t *base);
void edge_f32_fully_connected_ref(const edge_fully_connected_desc *d, uint8_t *base);

#endif
