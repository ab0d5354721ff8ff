/* Convolution of int16 by int8, inside; what conv16.def's fields mean, in C. */
#ifndef EDGE_CONV16_H
#define EDGE_CONV16_H

#include "../abi/kernel.h"

void edge_qs16_conv2d__ref(const edge_conv16_desc *d, uint8_t *base);
void edge_qs16_conv2d__avx2(const edge_conv16_desc *d, uint8_t *base);

#endif
