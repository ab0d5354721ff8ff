/* Detections, inside. */
#ifndef EDGE_DETECTIONS_H
#define EDGE_DETECTIONS_H

#include "../abi/kernel.h"

void edge_f32_class_max__ref(const edge_detections_desc *d, uint8_t *base);
void edge_f32_best_classes__ref(const edge_detections_desc *d, uint8_t *base);
void edge_f32_merge_classes__ref(const edge_detections_desc *d, uint8_t *base);

#endif
