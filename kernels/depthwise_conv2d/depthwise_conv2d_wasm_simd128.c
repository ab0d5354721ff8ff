/* Depthwise convolution in Wasm simd128. int8 is widened to int16 and two taps a step go through dot_i16x8, exactly. */
#include "../common/lanes_wasm_simd128.h"
#include "../common/madd_wasm.h"
#include "depthwise_conv2d.h"

enum { TILE = 8, HEADER_WORDS = 4 + 7 * TILE };

typedef struct sums {
  v128_t low, high;
} sums;

/* Adds two taps: a and b are 8 channels of input as int16. */
static inline sums add_pair(sums s, v128_t a, v128_t b, v128_t w_low, v128_t w_high) {
  const v128_t low = wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  const v128_t high = wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  const sums sum = {wasm_i32x4_add(s.low, wasm_i32x4_dot_i16x8(low, w_low)),
                    wasm_i32x4_add(s.high, wasm_i32x4_dot_i16x8(high, w_high))};
  return sum;
}

/* Hides where a pointer comes from, so that the constant offsets of its loads stay in the loads. */
static inline const void *opaque(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}

/* The sums of one or two neighbouring pixels, whose input lies `step` bytes apart.
 *
 * The loop must stay one: Cranelift computes pure values as late as it may, so that of an unrolled loop all loads come
 * first, and most of their values are spilled. The end of an iteration is where it has to compute the sums. */
static inline __attribute__((always_inline)) void add_taps(sums s[2], const v128_t *weights, uint32_t count,
                                                           const uint8_t *const *taps, size_t at, size_t step,
                                                           const int pixels) {
  _Pragma("clang loop unroll(disable)") for (; count >= 2; count -= 2, taps += 2, weights += 2) {
    const v128_t *w = opaque(weights);
    const v128_t w_low = wasm_v128_load(w), w_high = wasm_v128_load(w + 1);
    const uint8_t *const *pair = opaque(taps);
    const uint8_t *a = pair[0] + at, *b = pair[1] + at;
    s[0] = add_pair(s[0], wasm_i16x8_load8x8(a), wasm_i16x8_load8x8(b), w_low, w_high);
    if (pixels == 2) s[1] = add_pair(s[1], wasm_i16x8_load8x8(a + step), wasm_i16x8_load8x8(b + step), w_low, w_high);
  }
  if (count != 0) {
    const v128_t none = wasm_i16x8_splat(0), w_low = wasm_v128_load(weights), w_high = wasm_v128_load(weights + 1);
    const uint8_t *a = *taps + at;
    s[0] = add_pair(s[0], wasm_i16x8_load8x8(a), none, w_low, w_high);
    if (pixels == 2) s[1] = add_pair(s[1], wasm_i16x8_load8x8(a + step), none, w_low, w_high);
  }
}

/* How the sums of a tile are scaled: by lanes_wasm_simd128.h's fractions (act_min >= zero_point, or any), or by mbqm.
 */
enum { BY_POSITIVE_FRACTIONS, BY_FRACTIONS, BY_MBQM };

static inline __attribute__((always_inline)) sums scaled(sums s, const int32_t *tile, const int by) {
  const double *factor = (const double *)(const void *)(tile + 12);
  if (by == BY_MBQM) {
    s.low = edge_lanes_mbqm(s.low, edge_lanes_scale_load(tile + 12, TILE));
    s.high = edge_lanes_mbqm(s.high, edge_lanes_scale_load(tile + 16, TILE));
  } else {
    s.low = edge_lanes_mbqm_fractions(s.low, factor, TILE, by == BY_POSITIVE_FRACTIONS);
    s.high = edge_lanes_mbqm_fractions(s.high, factor + 4, TILE, by == BY_POSITIVE_FRACTIONS);
  }
  return s;
}

static inline __attribute__((always_inline)) void tile_pixels(const edge_dw_desc *d, const int32_t *tile,
                                                              const uint8_t *const *taps, size_t at, size_t step,
                                                              uint32_t pixels, int8_t *to, const int by) {
  const edge_lanes_output limits = edge_lanes_output_of(d->output_zero_point, d->act_min.i, d->act_max.i);
  const uint32_t channels = d->output_c, count = edge_dw_taps(d);
  const v128_t *weights = (const v128_t *)(const void *)(tile + HEADER_WORDS);
  const sums bias = {wasm_v128_load(tile + 4), wasm_v128_load(tile + 8)};
  for (; pixels >= 2; pixels -= 2u, at += 2u * step, to += 2u * channels) {
    sums s[2] = {bias, bias};
    add_taps(s, weights, count, taps, at, step, 2);
    for (int p = 0; p < 2; p++) {
      const sums y = scaled(s[p], tile, by);
      edge_lanes_store2_s8(to + (uint32_t)p * channels, y.low, y.high, limits);
    }
  }
  if (pixels != 0) {
    sums s[2] = {bias, bias};
    add_taps(s, weights, count, taps, at, step, 1);
    const sums y = scaled(s[0], tile, by);
    edge_lanes_store2_s8(to, y.low, y.high, limits);
  }
}

static void qs8_c8(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  const uint32_t channels = d->output_c;
  const int32_t *tile = packed;
  for (uint32_t c = 0; c < channels; c += TILE, tile += edge_dw_tile_words(edge_dw_taps(d), TILE, 1)) {
    const uint32_t start = edge_dw_start(c, TILE, channels);
    int8_t *to = (int8_t *)output + start;
    if (tile[0] == 0) {
      tile_pixels(d, tile, taps, start, step, pixels, to, BY_MBQM);
    } else if (d->act_min.i >= d->output_zero_point) {
      tile_pixels(d, tile, taps, start, step, pixels, to, BY_POSITIVE_FRACTIONS);
    } else {
      tile_pixels(d, tile, taps, start, step, pixels, to, BY_FRACTIONS);
    }
  }
}

const edge_dw_kernel edge_qs8_depthwise_conv2d__wasm_simd128 = {.pixels = qs8_c8,
                                                                .tile = TILE,
                                                                .positions = TILE,
                                                                .paired = 1,
                                                                .powers = EDGE_LANES_POWERS,
                                                                .order = {0, 1, 2, 3, 4, 5, 6, 7}};

/* Four channels of `block` neighbouring pixels: their sums do not wait for each other, and share the weights. The loop
 * over taps must stay one: see add_taps. */
static inline __attribute__((always_inline)) void block_f32(const edge_dw_desc *d, const v128_t *tile,
                                                            const uint8_t *const *taps, size_t at, size_t step,
                                                            const uint32_t block, float *output) {
  const v128_t low = wasm_f32x4_splat(d->act_min.f), high = wasm_f32x4_splat(d->act_max.f);
  const uint32_t count = edge_dw_taps(d);
  v128_t sums[4];
  _Pragma("clang loop unroll(full)") for (uint32_t p = 0; p < block; p++) sums[p] = wasm_v128_load(tile);
  _Pragma("clang loop unroll(disable)") for (uint32_t k = 0; k < count; k++) {
    const v128_t weights = wasm_v128_load(++tile);
    const uint8_t *from = taps[k] + at;
    _Pragma("clang loop unroll(full)") for (uint32_t p = 0; p < block; p++, from += step) {
      sums[p] = edge_madd(sums[p], wasm_v128_load(from), weights);
    }
  }
  /* x < low ? low : x, and so on: these forms keep a NaN and are one instruction each. */
  _Pragma("clang loop unroll(full)") for (uint32_t p = 0; p < block; p++, output += d->output_c) {
    wasm_v128_store(output, wasm_f32x4_pmin(wasm_f32x4_pmax(sums[p], low), high));
  }
}

static void f32_c4(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  const uint32_t channels = d->output_c;
  const v128_t *tile = packed;
  for (uint32_t c = 0; c < channels; c += 4u, tile += edge_dw_taps(d) + 1u) {
    const uint32_t start = edge_dw_start(c, 4, channels);
    float *to = (float *)(void *)output + start;
    size_t at = start * 4u;
    uint32_t left = pixels;
    for (; left >= 4; left -= 4u, at += 4u * step, to += 4u * channels) block_f32(d, tile, taps, at, step, 4, to);
    for (; left >= 2; left -= 2u, at += 2u * step, to += 2u * channels) block_f32(d, tile, taps, at, step, 2, to);
    if (left != 0) block_f32(d, tile, taps, at, step, 1, to);
  }
}

const edge_dw_kernel edge_f32_depthwise_conv2d__wasm_simd128 = {
    .pixels = f32_c4, .tile = 4, .positions = 4, .order = {0, 1, 2, 3}};
