/* Depthwise convolution in NEON. int8 is widened to int16 and multiplied into int32, one tap a step, exactly. */
#include "../common/lanes_neon.h"
#include "depthwise_conv2d.h"

static inline __attribute__((always_inline)) void tile_s8(const int32_t *tile, uint32_t count,
                                                          const uint8_t *const *taps, size_t at, int8_t *output,
                                                          edge_lanes_output limits) {
  const int16_t *weights = (const int16_t *)(const void *)(tile + 40);
  int32x4_t low = vld1q_s32(tile), high = vld1q_s32(tile + 4);
  for (uint32_t k = 0; k < count; k++) {
    const int16x8_t x = vmovl_s8(vld1_s8((const int8_t *)taps[k] + at)), w = vld1q_s16(weights + 8u * k);
    low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(w));
    high = vmlal_high_s16(high, x, w);
  }
  edge_lanes_store2_s8(output, edge_lanes_mbqm(low, edge_lanes_scale_load(tile + 8, 8)),
                       edge_lanes_mbqm(high, edge_lanes_scale_load(tile + 12, 8)), limits);
}

static inline __attribute__((always_inline)) void pixels_s8(const edge_dw_desc *d, const void *packed,
                                                            const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                            uint8_t *output, uint32_t count) {
  const edge_lanes_output limits = edge_lanes_output_of(d->output_zero_point, d->act_min.i, d->act_max.i);
  const size_t tile_words = edge_dw_tile_words(count, 8, 0);
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

const edge_dw_kernel edge_qs8_depthwise_conv2d__neon = {
    .pixels = qs8_c8, .tile = 8, .positions = 8, .powers = EDGE_LANES_POWERS, .order = {0, 1, 2, 3, 4, 5, 6, 7}};

static inline __attribute__((always_inline)) void pixels_f32(const edge_dw_desc *d, const void *packed,
                                                             const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                             uint8_t *output, uint32_t count) {
  const float32x4_t low = vdupq_n_f32(d->act_min.f), high = vdupq_n_f32(d->act_max.f);
  const uint32_t channels = d->output_c;
  for (uint32_t i = 0; i < pixels; i++) {
    const float *weights = packed;
    float *out = (float *)(void *)output + (size_t)i * channels;
    for (uint32_t c = 0;;) {
      const uint32_t start = c + 4u <= channels ? c : channels - 4u;
      float32x4_t sum = vld1q_f32(weights);
      weights += 4;
      for (uint32_t k = 0; k < count; k++, weights += 4) {
        const float *x = (const float *)(const void *)(taps[k] + i * step) + start;
        sum = vfmaq_f32(sum, vld1q_f32(x), vld1q_f32(weights));
      }
      vst1q_f32(out + start, vminq_f32(vmaxq_f32(sum, low), high)); /* FMIN and FMAX keep a NaN */
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

const edge_dw_kernel edge_f32_depthwise_conv2d__neon = {
    .pixels = f32_c4, .tile = 4, .positions = 4, .order = {0, 1, 2, 3}};
