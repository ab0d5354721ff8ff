/* Depthwise convolution in AVX2. int8 is widened to int16 and two taps a step go through vpmaddwd, exactly. */
#include "../common/lanes_avx2.h"
#include "depthwise_conv2d.h"

/* vpunpck works in each half of a register: the low one gives channels 0-3 and 8-11, the high one 4-7 and 12-15. */
#define ORDER_C16 {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15}
#define ORDER_C8 {0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7}

static inline __attribute__((always_inline)) __m256i load_c16(const uint8_t *p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* 8 channels of a pixel, and of the one `second` bytes on. */
static inline __attribute__((always_inline)) __m256i load_c8(const uint8_t *p, size_t second) {
  const __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)p);
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi64(first, _mm_loadl_epi64((const __m128i *)(const void *)(p + second))));
}

/* 16 results, in the order of the output, from taps at taps[k] + at: c16, or c8 with `second`. */
static inline __attribute__((always_inline)) __m128i tile_s8(const int32_t *tile, uint32_t count,
                                                             const uint8_t *const *taps, size_t at, int c8,
                                                             size_t second, edge_lanes_output output) {
  const __m256i *weights = (const __m256i *)(const void *)(tile + 80);
  __m256i low = edge_lanes_load(tile), high = edge_lanes_load(tile + 8);
  for (uint32_t k = 0; k < count; k += 2) {
    const __m256i a = c8 ? load_c8(taps[k] + at, second) : load_c16(taps[k] + at);
    __m256i b = _mm256_setzero_si256();
    if (k + 1 < count) b = c8 ? load_c8(taps[k + 1] + at, second) : load_c16(taps[k + 1] + at);
    const __m256i w_low = _mm256_loadu_si256(weights + k), w_high = _mm256_loadu_si256(weights + k + 1);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w_low));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w_high));
  }
  low = edge_lanes_mbqm(low, edge_lanes_scale_load(tile + 16, 16));
  high = edge_lanes_mbqm(high, edge_lanes_scale_load(tile + 24, 16));
  return edge_lanes_narrow(_mm256_packs_epi32(low, high), output);
}

/* `taps` are copied where count is a constant, so that the compiler keeps them in registers over the pixels. */
static inline __attribute__((always_inline)) void pixels_c16(const edge_dw_desc *d, const void *packed,
                                                             const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                             uint8_t *output, uint32_t count) {
  const edge_lanes_output limits = edge_lanes_output_of(d->output_zero_point, d->act_min.i, d->act_max.i);
  const size_t tile_words = edge_dw_tile_words(count, 16, 0);
  const uint32_t channels = d->output_c;
  const int32_t *tile = packed;
  for (uint32_t c = 0; c < channels; c += 16u, tile += tile_words) {
    const uint32_t start = edge_dw_start(c, 16, channels);
    uint8_t *to = output + start;
    size_t at = start;
    for (uint32_t i = 0; i < pixels; i++, at += step, to += channels) {
      _mm_storeu_si128((__m128i *)(void *)to, tile_s8(tile, count, taps, at, 0, 0, limits));
    }
  }
}

static void qs8_c16(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                    uint8_t *output) {
  if (edge_dw_taps(d) == 9) {
    const uint8_t *const local[9] = {taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7], taps[8]};
    pixels_c16(d, packed, local, step, pixels, output, 9);
  } else {
    pixels_c16(d, packed, taps, step, pixels, output, edge_dw_taps(d));
  }
}

static inline __attribute__((always_inline)) void pixels_c8(const edge_dw_desc *d, const void *packed,
                                                            const uint8_t *const *taps, size_t step, uint32_t pixels,
                                                            uint8_t *output, uint32_t count) {
  const edge_lanes_output limits = edge_lanes_output_of(d->output_zero_point, d->act_min.i, d->act_max.i);
  const size_t tile_words = edge_dw_tile_words(count, 16, 0);
  const uint32_t channels = d->output_c;
  for (uint32_t i = 0; i < pixels; i += 2) {
    const int both = i + 1u < pixels; /* else the pixel stands in for its missing neighbour */
    const int32_t *tile = packed;
    for (uint32_t t = 0; t * 8u < channels; t++, tile += tile_words) {
      const uint32_t start = t == 0 ? 0 : channels - 8u;
      const __m128i y = tile_s8(tile, count, taps, i * step + start, 1, both ? step : 0, limits);
      _mm_storel_epi64((__m128i *)(void *)(output + start), y);
      if (both) _mm_storel_epi64((__m128i *)(void *)(output + channels + start), _mm_unpackhi_epi64(y, y));
    }
    output += 2u * (size_t)channels;
  }
}

static void qs8_c8(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  if (edge_dw_taps(d) == 9) {
    pixels_c8(d, packed, taps, step, pixels, output, 9);
  } else {
    pixels_c8(d, packed, taps, step, pixels, output, edge_dw_taps(d));
  }
}

const edge_dw_kernel edge_qs8_depthwise_conv2d__avx2_c16 = {.pixels = qs8_c16,
                                                            .tile = 16,
                                                            .positions = 16,
                                                            .paired = 1,
                                                            .powers = EDGE_LANES_POWERS,
                                                            .padded = 1,
                                                            .order = ORDER_C16};
const edge_dw_kernel edge_qs8_depthwise_conv2d__avx2_c8 = {.pixels = qs8_c8,
                                                           .tile = 8,
                                                           .positions = 16,
                                                           .paired = 1,
                                                           .powers = EDGE_LANES_POWERS,
                                                           .padded = 1,
                                                           .order = ORDER_C8};

#include "depthwise_conv2d_f32.inc"

const edge_dw_kernel edge_f32_depthwise_conv2d__avx2 = {.pixels = run_f32, .tile = 8, .positions = 8, .padded = 1};
