/* Normalisation, inside. output may be input where the types agree; not in local_response_normalization. */
#ifndef EDGE_NORMALIZATION_H
#define EDGE_NORMALIZATION_H

#include "../abi/kernel.h"

void edge_qs8_s16_softmax__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_qs16_softmax__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_qs8_log_softmax__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_f32_log_softmax__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_qs8_l2_normalization__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_f32_l2_normalization__ref(const edge_normalization_desc *d, uint8_t *base);
void edge_f32_local_response_normalization__ref(const edge_normalization_desc *d, uint8_t *base);

#endif
