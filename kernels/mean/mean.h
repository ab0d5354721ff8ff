/* Mean, inside: the kernels. Sums of float32 are kept in float64. */
#ifndef EDGE_MEAN_H
#define EDGE_MEAN_H

#include "../abi/kernel.h"
#include "../common/fixed_point.h"

typedef void edge_mean_kernel(const edge_mean_desc *d, uint8_t *base);

edge_mean_kernel edge_qs8_mean__ref, edge_f32_mean__ref;
/* The same in blocks of `inner`, for the compiler's vectoriser: at the build's baseline, and for AVX2. */
edge_mean_kernel edge_qs8_mean__blocks, edge_f32_mean__blocks, edge_qs8_mean__avx2, edge_f32_mean__avx2;

static inline int8_t edge_mean_result_s8(const edge_mean_desc *d, int32_t sum) {
  const int32_t centred = sum - (int32_t)d->reduced * d->input_zero_point;
  return edge_requantize_s8(centred, d->multiplier, d->shift, d->output_zero_point, -128, 127);
}

#endif
