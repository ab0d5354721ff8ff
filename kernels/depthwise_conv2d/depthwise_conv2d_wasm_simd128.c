/* Depthwise convolution in Wasm simd128. int8 is widened to int16 and two taps a step go through dot_i16x8, exactly. */
#include "../common/lanes_wasm_simd128.h"
#include "depthwise_conv2d.h"

static inline __attribute__((always_inline)) void tile_s8(const int32_t *tile, uint32_t count,
                                                          const uint8_t *const *taps, size_t at, int8_t *output,
                                                          edge_lanes_output limits) {
  const v128_t *weights = (const v128_t *)(const void *)(tile + 40);
  v128_t low = wasm_v128_load(tile), high = wasm_v128_load(tile + 4);
  for (uint32_t k = 0; k < count; k += 2) {
    const v128_t a = wasm_i16x8_load8x8(taps[k] + at);
    const v128_t b = k + 1 < count ? wasm_i16x8_load8x8(taps[k + 1] + at) : wasm_i16x8_splat(0);
    const v128_t ab_low = wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    const v128_t ab_high = wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    low = wasm_i32x4_add(low, wasm_i32x4_dot_i16x8(ab_low, wasm_v128_load(weights + k)));
    high = wasm_i32x4_add(high, wasm_i32x4_dot_i16x8(ab_high, wasm_v128_load(weights + k + 1)));
  }
  edge_lanes_store2_s8(output, edge_lanes_mbqm(low, edge_lanes_scale_load(tile + 8, 8)),
                       edge_lanes_mbqm(high, edge_lanes_scale_load(tile + 12, 8)), limits);
}

static inline __attribute__((always_inline)) void pixels_s8(const edge_dw_desc *d, const void *packed,
                                                            const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                            uint8_t *output, uint32_t count) {
  const edge_lanes_output limits = edge_lanes_output_of(d->output_zero_point, d->act_min.i, d->act_max.i);
  const size_t tile_words = edge_dw_tile_words(count, 8);
  const uint32_t channels = d->output_c;
  for (uint32_t i = 0; i < pixels; i++) {
    const int32_t *tile = packed;
    for (uint32_t c = 0;; tile += tile_words) {
      const uint32_t start = c + 8u <= channels ? c : channels - 8u;
      tile_s8(tile, count, taps, i * step + start, (int8_t *)output + start, limits);
      c += 8u;
      if (c >= channels) break;
    }
    output += channels;
  }
}

static void qs8_c8(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  if (edge_dw_taps(d) == 9) {
    pixels_s8(d, packed, taps, step, pixels, output, 9);
  } else {
    pixels_s8(d, packed, taps, step, pixels, output, edge_dw_taps(d));
  }
}

const edge_dw_kernel edge_qs8_depthwise_conv2d__wasm_simd128 = {
    qs8_c8, 8, 8, 1, EDGE_LANES_POWERS, {0, 1, 2, 3, 4, 5, 6, 7}};

static inline __attribute__((always_inline)) void pixels_f32(const edge_dw_desc *d, const void *packed,
                                                             const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                             uint8_t *output, uint32_t count) {
  const v128_t low = wasm_f32x4_splat(d->act_min.f), high = wasm_f32x4_splat(d->act_max.f);
  const uint32_t channels = d->output_c;
  for (uint32_t i = 0; i < pixels; i++) {
    const float *weights = packed;
    float *out = (float *)(void *)output + (size_t)i * channels;
    for (uint32_t c = 0;;) {
      const uint32_t start = c + 4u <= channels ? c : channels - 4u;
      v128_t sum = wasm_v128_load(weights);
      weights += 4;
      for (uint32_t k = 0; k < count; k++, weights += 4) {
        const float *x = (const float *)(const void *)(taps[k] + i * step) + start;
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(x), wasm_v128_load(weights)));
      }
      /* x < low ? low : x, and so on: these forms keep a NaN and are one instruction each. */
      wasm_v128_store(out + start, wasm_f32x4_pmin(wasm_f32x4_pmax(sum, low), high));
      c += 4u;
      if (c >= channels) break;
    }
  }
}

static void f32_c4(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  if (edge_dw_taps(d) == 9) {
    pixels_f32(d, packed, taps, step, pixels, output, 9);
  } else {
    pixels_f32(d, packed, taps, step, pixels, output, edge_dw_taps(d));
  }
}

const edge_dw_kernel edge_f32_depthwise_conv2d__wasm_simd128 = {f32_c4, 4, 4, 0, 0, {0, 1, 2, 3}};
