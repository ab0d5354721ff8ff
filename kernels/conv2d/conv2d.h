/* 2-D convolution as a GEMM over output pixels; what conv2d.def's fields mean, in C. */
#ifndef EDGE_CONV2D_H
#define EDGE_CONV2D_H

#include "../abi/abi.h"

/* The truth, straight from the formula and the unpacked weights: rows d->begin .. d->end - 1.
 * The descriptor must have passed the kernel's check(). */
void edge_qs8_conv2d_ref(const edge_conv2d_desc *d, uint8_t *base);
void edge_f32_conv2d_ref(const edge_conv2d_desc *d, uint8_t *base);

#endif
