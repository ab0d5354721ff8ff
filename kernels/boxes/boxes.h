/* Boxes, inside. */
#ifndef EDGE_BOXES_H
#define EDGE_BOXES_H

#include "../abi/kernel.h"

void edge_f32_decode_boxes__ref(const edge_boxes_desc *d, uint8_t *base);

#endif
