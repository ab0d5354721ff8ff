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

/* Half away from zero; C's division truncates. EDGE_MAX_WORK keeps the sum of a window far inside 32 bits (that of
 * int16 values, check()). */
static inline int32_t edge_pool_mean(int32_t sum, int32_t count, int32_t low, int32_t high) {
  const int32_t mean = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
  return edge_clamp_s32(mean, low, high);
}

/* The same for values that are 128 lower than what is to be rounded, which is never negative. */
static inline int32_t edge_pool_mean_u8(int32_t sum, int32_t count, int32_t low, int32_t high) {
  return edge_clamp_s32((sum + 128 * count + count / 2) / count - 128, low, high);
}

typedef void edge_pool_kernel(const edge_pool_desc *d, uint8_t *base);

/* The reference; the same in blocks of channels, for the compiler's vectoriser: at the build's baseline, and for AVX2.
 */
#define EDGE_POOL(op) edge_pool_kernel edge_##op##__ref, edge_##op##__blocks, edge_##op##__avx2;
EDGE_POOL(qs8_average_pool)
EDGE_POOL(qu8_average_pool)
EDGE_POOL(qs16_average_pool)
EDGE_POOL(f32_average_pool)
EDGE_POOL(qs8_max_pool)
EDGE_POOL(qs16_max_pool)
EDGE_POOL(f32_max_pool)
#undef EDGE_POOL

#endif
