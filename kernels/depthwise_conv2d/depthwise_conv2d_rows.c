/* Depthwise convolution for the fast kernels: packing, and the walk over rows and pixels; see depthwise_conv2d.h.
 *
 * A pointer made from `base` is never compared with NULL: in the sandbox base is address 0, and compilers conclude from
 * base == NULL that such a pointer is NULL too. */
#include "../common/check.h"
#include "../common/lanes.h"
#include "depthwise_conv2d.h"

static void pack_weights(const edge_dw_desc *d, const edge_dw_kernel *kernel, const int8_t *filter, uint32_t start,
                         int16_t *to) {
  const uint32_t taps = edge_dw_taps(d), lanes = kernel->positions;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    const uint32_t c = start + kernel->order[lane];
    for (uint32_t k = 0; k < taps; k++) {
      const size_t pair = (size_t)(k / 2u) * 2u * lanes + 2u * lane + k % 2u, single = (size_t)k * lanes + lane;
      to[kernel->paired ? pair : single] = (int16_t)(filter[(size_t)k * d->output_c + c] - d->filter_zero_point);
    }
    if (kernel->paired && taps % 2u != 0) to[(size_t)(taps / 2u) * 2u * lanes + 2u * lane + 1u] = 0;
  }
}

/* The bias with the input's zero point folded in; wraps as the sums do. */
static int32_t folded_bias(const edge_dw_desc *d, const uint8_t *base, uint32_t c) {
  const int8_t *filter = (const int8_t *)(base + d->filter);
  const uint32_t bias = d->bias != 0 ? ((const uint32_t *)(const void *)(base + d->bias))[c] : 0u;
  uint32_t sum = 0;
  for (uint32_t k = 0; k < edge_dw_taps(d); k++) {
    sum += (uint32_t)(filter[(size_t)k * d->output_c + c] - d->filter_zero_point);
  }
  return (int32_t)(bias - (uint32_t)d->input_zero_point * sum);
}

static void pack_scale_words(int32_t *to, uint32_t lanes, uint32_t lane, edge_scale_words words) {
  to[lane] = words.multiplier;
  to[lanes + lane] = words.left;
  to[2u * lanes + lane] = words.right;
  to[3u * lanes + lane] = words.round;
}

static void pack_tile_s8(const edge_dw_desc *d, const edge_dw_kernel *kernel, const uint8_t *base, uint32_t start,
                         int32_t *tile) {
  const int32_t *multiplier = (const int32_t *)(const void *)(base + d->multiplier);
  const int32_t *shift = (const int32_t *)(const void *)(base + d->shift);
  const uint32_t lanes = kernel->positions;
  int32_t *bias = kernel->powers ? tile + 4 : tile, *scales = bias + lanes;
  int fractions = kernel->powers;
  for (uint32_t i = 0; i < kernel->tile; i++) fractions &= edge_scale_has_fractions(shift[start + i]);
  if (kernel->powers) __builtin_memset(tile, 0, 4u * edge_dw_header_words(lanes, 1));
  if (kernel->powers) tile[0] = fractions;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    const uint32_t c = start + kernel->order[lane];
    bias[lane] = folded_bias(d, base, c);
    if (fractions) {
      edge_scale_fractions_of(multiplier[c], shift[c], (double *)(void *)scales, lanes, lane);
    } else {
      pack_scale_words(scales, lanes, lane, edge_scale_words_of(multiplier[c], shift[c], kernel->powers));
    }
  }
  pack_weights(d, kernel, (const int8_t *)(base + d->filter), start,
               (int16_t *)(void *)(tile + edge_dw_header_words(lanes, kernel->powers)));
}

void edge_qs8_depthwise_conv2d_pack(const edge_dw_desc *d, const edge_dw_kernel *kernel, const uint8_t *base,
                                    void *packed) {
  int32_t *tile = packed;
  const uint32_t tiles = (d->output_c - 1u) / kernel->tile + 1u;
  for (uint32_t t = 0; t < tiles; t++) {
    pack_tile_s8(d, kernel, base, edge_dw_start(t * kernel->tile, kernel->tile, d->output_c), tile);
    tile += edge_dw_tile_words(edge_dw_taps(d), kernel->positions, kernel->powers);
  }
}

void edge_f32_depthwise_conv2d_pack(const edge_dw_desc *d, const edge_dw_kernel *kernel, const uint8_t *base,
                                    void *packed) {
  const float *filter = (const float *)(const void *)(base + d->filter);
  const float *bias = (const float *)(const void *)(base + d->bias);
  const uint32_t tiles = (d->output_c - 1u) / kernel->tile + 1u;
  float *to = packed;
  for (uint32_t t = 0; t < tiles; t++) {
    const uint32_t start = edge_dw_start(t * kernel->tile, kernel->tile, d->output_c);
    for (uint32_t lane = 0; lane < kernel->tile; lane++) *to++ = d->bias != 0 ? bias[start + lane] : 0.0f;
    for (uint32_t k = 0; k < edge_dw_taps(d); k++) {
      for (uint32_t lane = 0; lane < kernel->tile; lane++) *to++ = filter[(size_t)k * d->output_c + start + lane];
    }
  }
}

/* What stays the same while a call walks its pixels. */
typedef struct walk {
  const edge_dw_desc *d;
  const uint8_t *outside; /* an image line of the input zero point */
  const uint8_t **taps;
  size_t pixel_bytes;              /* of the input */
  uint32_t inner_begin, inner_end; /* output columns whose whole window is inside the image's width */
} walk;

/* Points w->taps at the input under each tap of the window at (top, left) of `image`. */
static void aim(const walk *w, const uint8_t *image, int64_t top, int64_t left) {
  const edge_dw_desc *d = w->d;
  const uint8_t **tap = w->taps;
  for (uint32_t ky = 0; ky < d->filter_h; ky++) {
    const int64_t y = top + (int64_t)ky * d->dilation_h;
    const int row_inside = y >= 0 && y < d->input_h;
    const uint8_t *row = image + (row_inside ? (size_t)y * d->input_w * w->pixel_bytes : 0u);
    for (uint32_t kx = 0; kx < d->filter_w; kx++) {
      const int64_t x = left + (int64_t)kx * d->dilation_w;
      *tap++ = row_inside && x >= 0 && x < d->input_w ? row + (size_t)x * w->pixel_bytes : w->outside;
    }
  }
}

static void find_inner(walk *w) {
  const edge_dw_desc *d = w->d;
  const int64_t extent = (int64_t)(d->filter_w - 1u) * d->dilation_w;
  const int64_t last_left = (int64_t)d->input_w - 1 - extent + d->pad_left; /* of a window that ends inside */
  const int64_t begin = ((int64_t)d->pad_left + d->stride_w - 1) / d->stride_w;
  const int64_t end = last_left < 0 ? 0 : last_left / d->stride_w + 1;
  w->inner_begin = begin < d->output_w ? (uint32_t)begin : d->output_w;
  w->inner_end = end < d->output_w ? (uint32_t)end : d->output_w;
  if (w->inner_end < w->inner_begin) w->inner_end = w->inner_begin;
}

static void do_row(const walk *w, const edge_dw_kernel *kernel, const uint8_t *image, int64_t top, const void *packed,
                   uint8_t *output, size_t output_pixel_bytes) {
  const edge_dw_desc *d = w->d;
  for (uint32_t x = 0; x < d->output_w;) {
    uint32_t pixels = 1;
    if (x >= w->inner_begin && x < w->inner_end) pixels = w->inner_end - x;
    aim(w, image, top, (int64_t)x * d->stride_w - d->pad_left);
    kernel->pixels(d, packed, w->taps, d->stride_w * w->pixel_bytes, pixels, output + x * output_pixel_bytes);
    x += pixels;
  }
}

/* ---- padded lines ---- */

/* Copying a line costs less than the two pixels at its ends on their own, unless it is long. */
#define MAX_PADDED_PIXELS 64u
#define MAX_PADDED_LINES 16u
#define MAX_PADDED_BYTES 65536u

static uint64_t padded_line_bytes(const edge_dw_desc *d, uint32_t element_bytes) {
  const uint64_t windows =
      (uint64_t)(d->output_w - 1u) * d->stride_w + (uint64_t)(d->filter_w - 1u) * d->dilation_w + 1u;
  const uint64_t image = (uint64_t)d->pad_left + d->input_w, pixels = windows > image ? windows : image;
  return edge_mul(edge_mul(pixels, d->input_c), element_bytes) / 64u * 64u + 64u;
}

size_t edge_dw_padded_bytes(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element_bytes) {
  if (!kernel->padded || d->output_w > MAX_PADDED_PIXELS || d->filter_h > MAX_PADDED_LINES || d->dilation_h != 1)
    return 0;
  const uint64_t lines = edge_mul(d->filter_h + 1u, padded_line_bytes(d, element_bytes));
  return lines <= MAX_PADDED_BYTES ? (size_t)lines + 8u * (size_t)edge_dw_taps(d) : 0;
}

/* The lines a window touches, each in the slot of its number modulo filter_h, and behind them one of the input zero
 * point for those above and below the image. */
typedef struct lines {
  const edge_dw_desc *d;
  uint8_t *base;
  size_t line, pixel;
  int64_t held[MAX_PADDED_LINES]; /* the image line in each slot, counted over all images; -1: none */
} lines;

static const uint8_t *find_line(lines *l, const uint8_t *input, uint32_t image, int64_t y) {
  const edge_dw_desc *d = l->d;
  if (y < 0 || y >= d->input_h) return l->base + d->filter_h * l->line;
  const uint32_t slot = (uint32_t)(y % d->filter_h);
  const int64_t number = (int64_t)image * d->input_h + y;
  uint8_t *to = l->base + slot * l->line;
  if (l->held[slot] != number) {
    const size_t bytes = d->input_w * l->pixel;
    l->held[slot] = number;
    __builtin_memcpy(to + d->pad_left * l->pixel, input + (size_t)number * bytes, bytes);
  }
  return to;
}

static void padded_rows(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element_bytes, uint8_t *base,
                        const void *packed, uint8_t *scratch) {
  lines l = {.d = d, .base = scratch, .line = (size_t)padded_line_bytes(d, element_bytes)};
  const size_t all = (d->filter_h + 1u) * l.line, output_bytes = (size_t)d->output_w * d->output_c * element_bytes;
  const uint8_t **taps = (const uint8_t **)(void *)(scratch + all);
  l.pixel = (size_t)d->input_c * element_bytes;
  for (uint32_t i = 0; i < MAX_PADDED_LINES; i++) l.held[i] = -1;
  __builtin_memset(scratch, element_bytes == 1 ? d->input_zero_point & 0xff : 0, all);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const int64_t top = (int64_t)(row % d->output_h) * d->stride_h - d->pad_top;
    for (uint32_t ky = 0; ky < d->filter_h; ky++) {
      const uint8_t *from = find_line(&l, base + d->input, row / d->output_h, top + ky);
      for (uint32_t kx = 0; kx < d->filter_w; kx++) taps[ky * d->filter_w + kx] = from + kx * d->dilation_w * l.pixel;
    }
    kernel->pixels(d, packed, taps, d->stride_w * l.pixel, d->output_w, base + d->output + row * output_bytes);
  }
}

/* Scratch: the line of zero points first, then the taps. */
void edge_depthwise_conv2d_rows(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element_bytes,
                                uint8_t *base, const void *packed, void *scratch) {
  if (edge_dw_padded_bytes(d, kernel, element_bytes) != 0) {
    padded_rows(d, kernel, element_bytes, base, packed, scratch);
    return;
  }
  const size_t outside_bytes = ((size_t)d->input_w * d->input_c * element_bytes + 15u) / 16u * 16u;
  const size_t image_bytes = (size_t)d->input_h * d->input_w * d->input_c * element_bytes;
  const size_t output_pixel_bytes = (size_t)d->output_c * element_bytes;
  uint8_t *outside = scratch;
  walk w = {d, outside, (const uint8_t **)(void *)(outside + outside_bytes), (size_t)d->input_c * element_bytes, 0, 0};
  __builtin_memset(outside, element_bytes == 1 ? d->input_zero_point & 0xff : 0, outside_bytes);
  find_inner(&w);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const uint8_t *image = base + d->input + (size_t)(row / d->output_h) * image_bytes;
    const int64_t top = (int64_t)(row % d->output_h) * d->stride_h - d->pad_top;
    do_row(&w, kernel, image, top, packed, base + d->output + (size_t)row * d->output_w * output_pixel_bytes,
           output_pixel_bytes);
  }
}
