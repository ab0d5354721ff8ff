/* Resizing of images, inside. */
#ifndef EDGE_RESIZE_H
#define EDGE_RESIZE_H

#include "../abi/kernel.h"

enum { EDGE_RESIZE_S8, EDGE_RESIZE_S16, EDGE_RESIZE_F32, EDGE_RESIZE_U8, EDGE_RESIZE_TYPES };

void edge_resize_bilinear__ref(const edge_resize_desc *d, uint8_t *base);

#endif
