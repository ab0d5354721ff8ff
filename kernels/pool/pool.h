/* Pools, inside: the window of an output pixel, and the kernels. */
#ifndef EDGE_POOL_H
#define EDGE_POOL_H

#include "../abi/kernel.h"
#include "../common/fixed_point.h"

/* The cells of a window that are inside the image: [y_begin, y_end) x [x_begin, x_end), at least one. */
typedef struct edge_pool_window {
  uint32_t y_begin, y_end, x_begin, x_end;
} edge_pool_window;

static inline uint32_t edge_pool_clip(int64_t at, uint32_t size) {
  return at < 0 ? 0 : (at > size ? size : (uint32_t)at);
}

static inline edge_pool_window edge_pool_window_of(const edge_pool_desc *d, uint32_t row, uint32_t x) {
  const int64_t top = (int64_t)(row % d->output_h) * d->stride_h - d->pad_top;
  const int64_t left = (int64_t)x * d->stride_w - d->pad_left;
  const edge_pool_window w = {edge_pool_clip(top, d->input_h), edge_pool_clip(top + d->filter_h, d->input_h),
                              edge_pool_clip(left, d->input_w), edge_pool_clip(left + d->filter_w, d->input_w)};
  return w;
}

static inline int32_t edge_pool_cells(edge_pool_window w) {
  return (int32_t)((w.y_end - w.y_begin) * (w.x_end - w.x_begin));
}

/* Index of channel 0 of cell (y, x), in the image of output row `row`. */
static inline size_t edge_pool_cell(const edge_pool_desc *d, uint32_t row, uint32_t y, uint32_t x) {
  return (((size_t)(row / d->output_h) * d->input_h + y) * d->input_w + x) * d->channels;
}

/* Half away from zero; C's division truncates. EDGE_MAX_WORK keeps the sum of a window far inside 32 bits. */
static inline int8_t edge_pool_mean_s8(int32_t sum, int32_t count, int32_t low, int32_t high) {
  const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
  return (int8_t)edge_clamp_s32(mean, low, high);
}

typedef void edge_pool_kernel(const edge_pool_desc *d, uint8_t *base);

edge_pool_kernel edge_qs8_average_pool__ref, edge_f32_average_pool__ref, edge_qs8_max_pool__ref, edge_f32_max_pool__ref;
/* The same in blocks of channels, for the compiler's vectoriser: at the build's baseline, and for AVX2. */
edge_pool_kernel edge_qs8_average_pool__blocks, edge_f32_average_pool__blocks, edge_qs8_max_pool__blocks,
    edge_f32_max_pool__blocks;
edge_pool_kernel edge_qs8_average_pool__avx2, edge_f32_average_pool__avx2, edge_qs8_max_pool__avx2,
    edge_f32_max_pool__avx2;

#endif
