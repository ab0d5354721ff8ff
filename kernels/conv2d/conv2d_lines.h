/* Convolution over lines: see conv2d_lines.c. */
#ifndef EDGE_CONV2D_LINES_H
#define EDGE_CONV2D_LINES_H

#include "../gemm/gemm.h"
#include "conv2d.h"

/* Whether a convolution goes over lines with this variant; a property of the descriptor, not of the call. */
int edge_conv2d_over_lines(const edge_conv2d_desc *d, const edge_gemm *g);

/* Bytes of scratch that lines need at most in the sandbox, whatever the variant; 0 where none goes over lines. */
uint64_t edge_conv2d_lines_bytes(const edge_conv2d_desc *d, int is_float);
/* Of a variant that goes over lines. */
size_t edge_conv2d_lines_scratch(const edge_conv2d_desc *d, int is_float);

/* Output pixels begin .. end - 1. */
typedef struct edge_conv2d_pixels {
  uint32_t begin, end;
} edge_conv2d_pixels;

/* Pixels of `part`, columns [begin, end). packed: of filter_h segments. */
void edge_conv2d_run_lines(const edge_conv2d_desc *d, const edge_gemm *g, uint8_t *base, const void *packed,
                           uint8_t *scratch, edge_conv2d_pixels part, uint32_t begin, uint32_t end);

#endif
