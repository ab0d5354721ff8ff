/* Depthwise convolution, inside: what its kernels are given, and how the weights are packed for them.
 *
 * A kernel computes `pixels` neighbouring output pixels, all channels. Input tap k of pixel i is the channel vector at
 * taps[k] + i * step: in the image, or in a line of the input zero point for a tap above or below it; left and right of
 * it there is one pixel a time. So borders cost no test in the kernel. Channels come in tiles; the last tile is moved
 * back to end with the last channel, so that nothing outside a pixel is read or written (values in the overlap are
 * computed twice, alike).
 *
 * s8, packed, for each tile of `positions` lanes (P):
 *
 *     | bias' i32[P] | multiplier i32[P] | left i32[P] | right i32[P] | round i32[P] | weights i16 |
 *
 * The weights are without their zero point. bias' = bias - input_zero_point * their sum; the four scale words are those
 * of lanes.h. Wasm has slow 64-bit integer products, so its tiles differ where lanes.h says "powers":
 *
 *     | fractions i32[4] | bias' i32[P] | factor, up, down f64[P]  or  multiplier, left, right, round i32[P], gap | ...
 *
 * fractions: 1 where all shifts of the tile are in [-13, 0]; lanes_wasm_simd128.h says what the float64 are for.
 * Weights: for each pair of taps, P pairs (w[2j], w[2j + 1]), the last padded with 0; or, unpaired, P of each tap.
 * f32, packed: | bias f32[P] | weights f32[taps][P] |.
 *
 * Where a fast kernel has no form (fewer channels than lanes, a depth multiplier), the reference runs, with its own
 * packing: the canonical arrays one after the other.
 */
#ifndef EDGE_DEPTHWISE_CONV2D_H
#define EDGE_DEPTHWISE_CONV2D_H

#include "../abi/kernel.h"

typedef edge_depthwise_conv2d_desc edge_dw_desc;

typedef void edge_dw_pixels(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step,
                            uint32_t pixels, uint8_t *output);

/* A fast kernel and the packing it wants. */
typedef struct edge_dw_kernel {
  edge_dw_pixels *pixels;
  uint32_t tile;      /* channels a tile brings further */
  uint32_t positions; /* lanes of a tile */
  int paired, powers; /* s8: weights in pairs; see lanes.h for powers */
  int padded;         /* native: lines of short images are copied, with their padding */
  uint8_t order[16];  /* the tile's channel at each lane */
  /* s8: a packing of its own; NULL: the one above. */
  size_t (*packed_bytes)(const edge_dw_desc *d);
  void (*pack)(const edge_dw_desc *d, const uint8_t *base, void *packed);
} edge_dw_kernel;

static inline uint32_t edge_dw_taps(const edge_dw_desc *d) { return d->filter_h * d->filter_w; }

/* Where the tile that would start at channel c starts: the last tile is moved back. */
static inline uint32_t edge_dw_start(uint32_t c, uint32_t tile, uint32_t channels) {
  return c + tile <= channels ? c : channels - tile;
}

/* Words of a packed s8 tile before its weights, and with them. */
static inline uint32_t edge_dw_header_words(uint32_t positions, int powers) {
  return powers ? 4u + 7u * positions : 5u * positions;
}

static inline size_t edge_dw_tile_words(uint32_t taps, uint32_t positions, int powers) {
  return edge_dw_header_words(positions, powers) + (size_t)positions * ((taps + 1u) / 2u);
}

/* The reference: whole rows, from the canonical arrays. */
size_t edge_qs8_depthwise_conv2d_packed_bytes__ref(const edge_dw_desc *d);
size_t edge_f32_depthwise_conv2d_packed_bytes__ref(const edge_dw_desc *d);
void edge_qs8_depthwise_conv2d_pack__ref(const edge_dw_desc *d, const uint8_t *base, void *packed);
void edge_f32_depthwise_conv2d_pack__ref(const edge_dw_desc *d, const uint8_t *base, void *packed);
void edge_qs8_depthwise_conv2d__ref(const edge_dw_desc *d, uint8_t *base, const void *packed);
void edge_f32_depthwise_conv2d__ref(const edge_dw_desc *d, uint8_t *base, const void *packed);

/* Packing for the fast kernels, and their walk over rows and pixels (depthwise_conv2d_rows.c). */
void edge_qs8_depthwise_conv2d_pack(const edge_dw_desc *d, const edge_dw_kernel *kernel, const uint8_t *base,
                                    void *packed);
void edge_f32_depthwise_conv2d_pack(const edge_dw_desc *d, const edge_dw_kernel *kernel, const uint8_t *base,
                                    void *packed);
void edge_depthwise_conv2d_rows(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element_bytes,
                                uint8_t *base, const void *packed, void *scratch);

/* Bytes of scratch for padded lines; 0 where the kernel walks the image itself. */
size_t edge_dw_padded_bytes(const edge_dw_desc *d, const edge_dw_kernel *kernel, uint32_t element_bytes);

/* c8: 8 to 15 channels, two pixels at a time; c16: 16 channels or more. */
extern const edge_dw_kernel edge_qs8_depthwise_conv2d__avx512vnni, edge_f32_depthwise_conv2d__avx512vnni;
extern const edge_dw_kernel edge_qs8_depthwise_conv2d__avx2_c8, edge_qs8_depthwise_conv2d__avx2_c16;
extern const edge_dw_kernel edge_qs8_depthwise_conv2d__wasm_simd128, edge_qs8_depthwise_conv2d__neon;
extern const edge_dw_kernel edge_f32_depthwise_conv2d__avx2, edge_f32_depthwise_conv2d__wasm_simd128;
extern const edge_dw_kernel edge_f32_depthwise_conv2d__neon;

#endif
