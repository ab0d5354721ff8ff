/* Non-maximum suppression, inside. */
#ifndef EDGE_NMS_H
#define EDGE_NMS_H

#include "../abi/kernel.h"

void edge_f32_nms__ref(const edge_nms_desc *d, uint8_t *base);

#endif
