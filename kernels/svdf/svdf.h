/* SVDF, inside: a dense layer over the last inputs, its weights of low rank. */
#ifndef EDGE_SVDF_H
#define EDGE_SVDF_H

#include "../abi/kernel.h"

/* Input, state and output are apart. Each row may be done once a call only: it moves its state. */
typedef void edge_svdf_kernel(const edge_svdf_desc *d, uint8_t *base);
edge_svdf_kernel edge_qs8_svdf__ref, edge_f32_svdf__ref, edge_qs8_svdf__avx2, edge_f32_svdf__avx2;

#endif
