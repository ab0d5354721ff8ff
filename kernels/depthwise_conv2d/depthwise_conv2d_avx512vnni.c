/* Depthwise convolution for AVX-512 with VNNI: int8 by vpdpbusd, four taps of a channel in each 32 bits.
 *
 * A tile is 64 lanes: 64 channels of a pixel, 32 of two or 16 of four. Interleaving the bytes of four taps twice puts
 * the taps of a channel together, and packing the sums twice brings back the order of the channels:
 *
 *     taps a, b, c, d   |a0 a1 a2 ..|   ->   |a0 b0 c0 d0  a1 b1 c1 d1 ..|   vector q, lane l: channel
 *                       |b0 b1 b2 ..|                                        16 * (l / 4) + 4 * q + l % 4
 *
 * Packed s8, for each tile:
 *
 *     | bias' i32[64] | multiplier i32[64] | left i32[64] | right i32[64] | weights i8[quads][64][4] | rest i8 (same) |
 *
 * The inputs are x + 128, so bias' = bias - (input_zero_point + 128) * sum of the weights. Weights without their zero
 * point need 9 bits: then `rest` is what int8 leaves of them.
 */
#include "../common/scale_avx512.h"
#include "depthwise_conv2d.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define LANES 64u
/* 255 * 255 * this and a bias below 2^29 stay below 2^30. */
#define MOST_TAPS 8192u

enum { BIAS = 0, MULTIPLIER = 4, LEFT = 8, RIGHT = 12, HEADER = 16 }; /* vectors of a tile */

static uint32_t quads_of(const edge_dw_desc *d) { return (edge_dw_taps(d) + 3u) / 4u; }
static int has_rest(const edge_dw_desc *d) { return d->filter_zero_point != 0; }

/* Channels of the tile at c. */
INLINE uint32_t width_at(const edge_dw_desc *d, uint32_t c) {
  const uint32_t left = d->output_c - c;
  return left >= 64u ? 64u : (left >= 32u ? 32u : 16u);
}

static size_t tile_vectors(const edge_dw_desc *d) {
  return HEADER + (size_t)quads_of(d) * 4u * (has_rest(d) ? 2u : 1u);
}

static size_t packed_bytes(const edge_dw_desc *d) {
  size_t tiles = 0;
  for (uint32_t c = 0; c < d->output_c; c += width_at(d, c)) tiles++;
  return tiles * tile_vectors(d) * 64u;
}

static uint32_t channel_of(uint32_t lane) { return 16u * (lane % 16u / 4u) + 4u * (lane / 16u) + lane % 4u; }

/* Writes the weights of a lane, and returns their sum. */
static int32_t pack_weights(const edge_dw_desc *d, const int8_t *filter, uint32_t c, uint32_t lane, int8_t *to) {
  const size_t all = (size_t)quads_of(d) * 4u * LANES;
  int32_t sum = 0;
  for (uint32_t k = 0; k < edge_dw_taps(d); k++) {
    const int32_t w = filter[(size_t)k * d->output_c + c] - d->filter_zero_point;
    const int32_t first = w < -128 ? -128 : (w > 127 ? 127 : w);
    const size_t at = (size_t)(k / 4u) * 4u * LANES + 4u * lane + k % 4u;
    to[at] = (int8_t)first;
    if (has_rest(d)) to[all + at] = (int8_t)(w - first);
    sum += w;
  }
  return sum;
}

static void pack(const edge_dw_desc *d, const uint8_t *base, void *packed) {
  const uint32_t *bias = (const uint32_t *)(const void *)(base + d->bias);
  const int32_t *multiplier = (const int32_t *)(const void *)(base + d->multiplier);
  const int32_t *shift = (const int32_t *)(const void *)(base + d->shift);
  int32_t *words = packed;
  __builtin_memset(packed, 0, packed_bytes(d));
  for (uint32_t c = 0, width; c < d->output_c; c += width, words += tile_vectors(d) * 16u) {
    width = width_at(d, c);
    const uint32_t start = edge_dw_start(c, width, d->output_c);
    for (uint32_t lane = 0; lane < LANES; lane++) {
      const uint32_t own = start + channel_of(lane) % width;
      const int32_t sum =
          pack_weights(d, (const int8_t *)(base + d->filter), own, lane, (int8_t *)(words + 16 * HEADER));
      const uint32_t folded = (uint32_t)(d->input_zero_point + 128) * (uint32_t)sum;
      words[16 * BIAS + lane] = (int32_t)((d->bias != 0 ? bias[own] : 0u) - folded);
      words[16 * MULTIPLIER + lane] = multiplier[own];
      words[16 * LEFT + lane] = shift[own] > 0 ? shift[own] : 0;
      words[16 * RIGHT + lane] = shift[own] > 0 ? 0 : -shift[own];
    }
  }
}

/* Bytes `at[..]` of a tap: 64 of a pixel, 32 of two, 16 of four; x + 128. */
INLINE __m512i load(const uint8_t *tap, const size_t *at, const uint32_t width) {
  __m512i x;
  if (width == 64) {
    x = _mm512_loadu_si512(tap + at[0]);
  } else if (width == 32) {
    x = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(tap + at[0]))),
                           _mm256_loadu_si256((const __m256i *)(const void *)(tap + at[1])), 1);
  } else {
    x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)(tap + at[0])));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(tap + at[1])), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(tap + at[2])), 2);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(tap + at[3])), 3);
  }
  return _mm512_xor_si512(x, _mm512_set1_epi8((char)0x80));
}

INLINE void store(__m512i y, int8_t *to, size_t next, uint32_t pixels, const uint32_t width) {
  if (width == 64) {
    _mm512_storeu_si512(to, y);
  } else if (width == 32) {
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_castsi512_si256(y));
    if (pixels > 1) _mm256_storeu_si256((__m256i *)(void *)(to + next), _mm512_extracti64x4_epi64(y, 1));
  } else {
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_castsi512_si128(y));
    if (pixels > 1) _mm_storeu_si128((__m128i *)(void *)(to + next), _mm512_extracti32x4_epi32(y, 1));
    if (pixels > 2) _mm_storeu_si128((__m128i *)(void *)(to + 2 * next), _mm512_extracti32x4_epi32(y, 2));
    if (pixels > 3) _mm_storeu_si128((__m128i *)(void *)(to + 3 * next), _mm512_extracti32x4_epi32(y, 3));
  }
}

/* The sums of the tile's 64 lanes. */
INLINE void sums_of(__m512i acc[4], const __m512i *tile, const uint8_t *const *taps, const size_t *at, uint32_t count,
                    const uint32_t width, const int rest) {
  const __m512i *weights = tile + HEADER, *more = weights + (count + 3u) / 4u * 4u, zero = _mm512_setzero_si512();
  UNROLL for (int q = 0; q < 4; q++) acc[q] = _mm512_loadu_si512(tile + BIAS + q);
  for (uint32_t k = 0; k < count; k += 4, weights += 4, more += 4) {
    const __m512i a = load(taps[k], at, width), b = k + 1 < count ? load(taps[k + 1], at, width) : zero;
    const __m512i c = k + 2 < count ? load(taps[k + 2], at, width) : zero;
    const __m512i d = k + 3 < count ? load(taps[k + 3], at, width) : zero;
    const __m512i ab = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    const __m512i cd = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    const __m512i x[4] = {_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd),
                          _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)};
    UNROLL for (int q = 0; q < 4; q++) acc[q] = _mm512_dpbusd_epi32(acc[q], x[q], _mm512_loadu_si512(weights + q));
    if (rest) {
      UNROLL for (int q = 0; q < 4; q++) acc[q] = _mm512_dpbusd_epi32(acc[q], x[q], _mm512_loadu_si512(more + q));
    }
  }
}

/* What a row of pixels needs, all channels. */
typedef struct line {
  const edge_dw_desc *d;
  const uint8_t *const *taps;
  size_t step;
  uint32_t pixels;
  edge_limits512 limits;
} line;

/* A tile whose first channel is `start`, over the line. */
INLINE void tile_s8(const line *l, const __m512i *tile, uint32_t start, int8_t *to, uint32_t count,
                    const uint32_t width, const int rest, const int form) {
  const uint32_t each = LANES / width;
  edge_scale512 scale[4];
  UNROLL for (int q = 0; q < 4; q++) {
    scale[q] = edge_scale512_of(_mm512_loadu_si512(tile + MULTIPLIER + q), _mm512_loadu_si512(tile + LEFT + q),
                                _mm512_loadu_si512(tile + RIGHT + q), form);
  }
  for (uint32_t i = 0; i < l->pixels; i += each, to += each * (size_t)l->d->output_c) {
    const uint32_t left = l->pixels - i, pixels = left < each ? left : each;
    size_t at[4];
    /* The last pixel stands in for those that are missing. */
    for (uint32_t p = 0; p < each; p++) at[p] = start + (i + (p < pixels ? p : pixels - 1u)) * l->step;
    __m512i acc[4];
    sums_of(acc, tile, l->taps, at, count, width, rest);
    UNROLL for (int q = 0; q < 4; q++) acc[q] = edge_scale512_apply(acc[q], &scale[q], form);
    store(edge_narrow512(acc[0], acc[1], acc[2], acc[3], &l->limits), to, l->d->output_c, pixels, width);
  }
}

/* The fastest form that is right for a tile. */
static int form_of(const edge_dw_desc *d, const __m512i *tile) {
  const __m512i bound = _mm512_set1_epi32(1 << 29);
  __mmask16 scalar = 0, large = 0;
  for (int q = 0; q < 4; q++) {
    const __m512i left = _mm512_loadu_si512(tile + LEFT + q), right = _mm512_loadu_si512(tile + RIGHT + q);
    scalar |= _mm512_test_epi32_mask(left, left) | _mm512_cmpgt_epi32_mask(right, _mm512_set1_epi32(30));
    large |= _mm512_testn_epi32_mask(right, right);
    large |= _mm512_cmpge_epu32_mask(_mm512_abs_epi32(_mm512_loadu_si512(tile + BIAS + q)), bound);
  }
  if (scalar != 0) return EDGE_SCALE_MBQM;
  if (d->act_min.i >= d->output_zero_point) return EDGE_SCALE_RELU;
  return large != 0 || edge_dw_taps(d) > MOST_TAPS ? EDGE_SCALE_MBQM : EDGE_SCALE_SIGNED;
}

#define FORMS(WIDTH, REST)                                                \
  switch (form_of(l->d, tile)) {                                          \
    case EDGE_SCALE_RELU:                                                 \
      tile_s8(l, tile, start, to, count, WIDTH, REST, EDGE_SCALE_RELU);   \
      break;                                                              \
    case EDGE_SCALE_SIGNED:                                               \
      tile_s8(l, tile, start, to, count, WIDTH, REST, EDGE_SCALE_SIGNED); \
      break;                                                              \
    default:                                                              \
      tile_s8(l, tile, start, to, count, WIDTH, REST, EDGE_SCALE_MBQM);   \
  }

INLINE void tile_of(const line *l, const __m512i *tile, uint32_t start, int8_t *to, uint32_t width, uint32_t count,
                    const int rest) {
  switch (width) {
    case 64:
      FORMS(64, rest)
      break;
    case 32:
      FORMS(32, rest)
      break;
    default:
      FORMS(16, rest)
  }
}

INLINE void tiles_s8(const line *l, const void *packed, int8_t *output, uint32_t count, const int rest) {
  const edge_dw_desc *d = l->d;
  const __m512i *tile = packed;
  for (uint32_t c = 0, width; c < d->output_c; c += width, tile += tile_vectors(d)) {
    width = width_at(d, c);
    const uint32_t start = edge_dw_start(c, width, d->output_c);
    tile_of(l, tile, start, output + start, width, count, rest);
  }
}

static void run_s8(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  line l = {d, taps, step, pixels, edge_limits512_of(d->output_zero_point, d->act_min.i, d->act_max.i)};
  int8_t *to = (int8_t *)output;
  if (edge_dw_taps(d) != 9) {
    tiles_s8(&l, packed, to, edge_dw_taps(d), has_rest(d));
    return;
  }
  /* Copied, so that the compiler keeps them in registers over the pixels. */
  const uint8_t *const local[9] = {taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7], taps[8]};
  l.taps = local;
  if (has_rest(d)) {
    tiles_s8(&l, packed, to, 9, 1);
  } else {
    tiles_s8(&l, packed, to, 9, 0);
  }
}

const edge_dw_kernel edge_qs8_depthwise_conv2d__avx512vnni = {
    .pixels = run_s8, .tile = 16, .packed_bytes = packed_bytes, .pack = pack};
