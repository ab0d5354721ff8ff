/* Depthwise convolution for AVX-512 with VNNI. int8 goes by vpdpbusd, four taps of a channel in each
 * 32 bits.
 *
 * A tile is 64 lanes: 64 channels of a pixel, 32 of two, 16 of four or 8 of eight. Interleaving the bytes of four taps
 * twice puts the taps of a channel together, and packing the sums twice brings back the order of the channels:
 *
 *     taps a, b, c, d   |a0 a1 a2 ..|   ->   |a0 b0 c0 d0  a1 b1 c1 d1 ..|   vector q, lane l: channel
 *                       |b0 b1 b2 ..|                                        16 * (l / 4) + 4 * q + l % 4
 *
 * The four taps of a quad are neighbours in the filter; of 3x3 they are a column and nothing, so that the columns of
 * one pixel serve the next.
 *
 * Packed, for each tile: its head, then weights i8 [quads][64][4]. The inputs are x + 128, so the bias of a head is
 * bias - (input_zero_point + 128) * sum of the weights. Weights without their zero point need 9 bits: then what int8
 * leaves of them follows, in as much room again.
 */
#include "../common/lanes_avx512.h"
#include "../common/scale_avx512.h"
#include "depthwise_conv2d.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define LANES 64u
/* 255 * 255 * this and a bias below 2^29 stay below 2^30. */
#define MOST_TAPS 8192u

typedef struct head {
  __m512i form; /* in lane 0 */
  __m512i bias[4];
  edge_scale512 scale[4];
} head;

static uint32_t quads_of(const edge_dw_desc *d) { return (edge_dw_taps(d) + 3u) / 4u; }
static int has_rest(const edge_dw_desc *d) { return d->filter_zero_point != 0; }

/* Channels of the tile at c. */
INLINE uint32_t width_at(const edge_dw_desc *d, uint32_t c) {
  const uint32_t left = d->output_c - c;
  return left >= 64u ? 64u : (left >= 32u ? 32u : (left >= 16u || d->output_c >= 16u ? 16u : 8u));
}

static size_t tile_bytes(const edge_dw_desc *d) {
  return sizeof(head) + (size_t)quads_of(d) * 4u * LANES * (has_rest(d) ? 2u : 1u);
}

static size_t packed_bytes(const edge_dw_desc *d) {
  size_t tiles = 0;
  for (uint32_t c = 0; c < d->output_c; c += width_at(d, c)) tiles++;
  return tiles * tile_bytes(d);
}

static int is_square(const edge_dw_desc *d) { return d->filter_h == 3 && d->filter_w == 3; }

/* Where tap k lies among the quads. */
static uint32_t place_of(const edge_dw_desc *d, uint32_t k) { return is_square(d) ? k % 3u * 4u + k / 3u : k; }

static uint32_t channel_of(uint32_t lane) { return 16u * (lane % 16u / 4u) + 4u * (lane / 16u) + lane % 4u; }

/* Writes the weights of a lane, and returns their sum. */
static int32_t pack_weights(const edge_dw_desc *d, const int8_t *filter, uint32_t c, uint32_t lane, int8_t *to) {
  const size_t all = (size_t)quads_of(d) * 4u * LANES;
  int32_t sum = 0;
  for (uint32_t k = 0; k < edge_dw_taps(d); k++) {
    const int32_t w = filter[(size_t)k * d->output_c + c] - d->filter_zero_point;
    const int32_t first = w < -128 ? -128 : (w > 127 ? 127 : w);
    const uint32_t place = place_of(d, k);
    const size_t at = (size_t)(place / 4u) * 4u * LANES + 4u * lane + place % 4u;
    to[at] = (int8_t)first;
    if (has_rest(d)) to[all + at] = (int8_t)(w - first);
    sum += w;
  }
  return sum;
}

/* A tile's constants by lane. */
typedef struct constants {
  int32_t bias[LANES], multiplier[LANES], left[LANES], right[LANES];
} constants;

/* The fastest form that is right for a tile. */
static int form_of(const edge_dw_desc *d, const constants *c) {
  int scalar = 0, large = edge_dw_taps(d) > MOST_TAPS;
  for (uint32_t lane = 0; lane < LANES; lane++) {
    scalar |= c->left[lane] != 0 || c->right[lane] > 30;
    large |= c->right[lane] == 0 || c->bias[lane] <= -(1 << 29) || c->bias[lane] >= 1 << 29;
  }
  if (scalar) return EDGE_SCALE_MBQM;
  if (d->act_min.i >= d->output_zero_point) return EDGE_SCALE_RELU;
  return large ? EDGE_SCALE_MBQM : EDGE_SCALE_SIGNED;
}

static void pack_head(const edge_dw_desc *d, const constants *c, head *to) {
  const int form = form_of(d, c);
  to->form = _mm512_set1_epi32(form);
  for (uint32_t q = 0; q < 4; q++) {
    to->bias[q] = _mm512_loadu_si512(c->bias + 16 * q);
    to->scale[q] = edge_scale512_of(_mm512_loadu_si512(c->multiplier + 16 * q), _mm512_loadu_si512(c->left + 16 * q),
                                    _mm512_loadu_si512(c->right + 16 * q), form);
  }
}

static void pack(const edge_dw_desc *d, const uint8_t *base, void *packed) {
  const uint32_t *bias = (const uint32_t *)(const void *)(base + d->bias);
  const int32_t *multiplier = (const int32_t *)(const void *)(base + d->multiplier);
  const int32_t *shift = (const int32_t *)(const void *)(base + d->shift);
  uint8_t *tile = packed;
  __builtin_memset(packed, 0, packed_bytes(d));
  for (uint32_t c = 0, width; c < d->output_c; c += width, tile += tile_bytes(d)) {
    width = width_at(d, c);
    const uint32_t start = edge_dw_start(c, width, d->output_c);
    constants words;
    for (uint32_t lane = 0; lane < LANES; lane++) {
      const uint32_t own = start + channel_of(lane) % width;
      const int32_t sum = pack_weights(d, (const int8_t *)(base + d->filter), own, lane, (int8_t *)tile + sizeof(head));
      const uint32_t folded = (uint32_t)(d->input_zero_point + 128) * (uint32_t)sum;
      words.bias[lane] = (int32_t)((d->bias != 0 ? bias[own] : 0u) - folded);
      words.multiplier[lane] = multiplier[own];
      words.left[lane] = shift[own] > 0 ? shift[own] : 0;
      words.right[lane] = shift[own] > 0 ? 0 : -shift[own];
    }
    pack_head(d, &words, (head *)(void *)tile);
  }
}

INLINE __m128i load16(const uint8_t *from) { return _mm_loadu_si128((const __m128i *)(const void *)from); }

/* 8 bytes of each of two pixels. */
INLINE __m128i load8x2(const uint8_t *first, const uint8_t *second) {
  return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)first),
                            _mm_loadl_epi64((const __m128i *)(const void *)second));
}

/* A tap of all lanes, x + 128: of the pixels at[0], at[1] .. */
INLINE __m512i load(const uint8_t *tap, const size_t *at, const uint32_t width) {
  __m512i x;
  if (width == 64) {
    x = _mm512_loadu_si512(tap + at[0]);
  } else if (width == 32) {
    x = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(tap + at[0]))),
                           _mm256_loadu_si256((const __m256i *)(const void *)(tap + at[1])), 1);
  } else if (width == 16) {
    x = _mm512_inserti32x4(_mm512_castsi128_si512(load16(tap + at[0])), load16(tap + at[1]), 1);
    x = _mm512_inserti32x4(_mm512_inserti32x4(x, load16(tap + at[2]), 2), load16(tap + at[3]), 3);
  } else {
    x = _mm512_castsi128_si512(load8x2(tap + at[0], tap + at[1]));
    x = _mm512_inserti32x4(x, load8x2(tap + at[2], tap + at[3]), 1);
    x = _mm512_inserti32x4(x, load8x2(tap + at[4], tap + at[5]), 2);
    x = _mm512_inserti32x4(x, load8x2(tap + at[6], tap + at[7]), 3);
  }
  return _mm512_xor_si512(x, _mm512_set1_epi8((char)0x80));
}

/* The first `pixels` of the tile's pixels. */
static void store_some(__m512i y, int8_t *to, size_t next, uint32_t pixels, uint32_t width) {
  int8_t lanes[LANES];
  _mm512_storeu_si512(lanes, y);
  for (uint32_t i = 0; i < pixels; i++) __builtin_memcpy(to + i * next, lanes + i * width, width);
}

INLINE void store(__m512i y, int8_t *to, size_t next, const uint32_t width) {
  if (width == 64) {
    _mm512_storeu_si512(to, y);
  } else if (width == 32) {
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_castsi512_si256(y));
    _mm256_storeu_si256((__m256i *)(void *)(to + next), _mm512_extracti64x4_epi64(y, 1));
  } else if (width == 16) {
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_castsi512_si128(y));
    _mm_storeu_si128((__m128i *)(void *)(to + next), _mm512_extracti32x4_epi32(y, 1));
    _mm_storeu_si128((__m128i *)(void *)(to + 2 * next), _mm512_extracti32x4_epi32(y, 2));
    _mm_storeu_si128((__m128i *)(void *)(to + 3 * next), _mm512_extracti32x4_epi32(y, 3));
  } else {
    store_some(y, to, next, 8, 8);
  }
}

/* Four taps of all lanes, those of a lane together. */
INLINE void weave(__m512i x[4], __m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  x[0] = _mm512_unpacklo_epi16(ab, cd);
  x[1] = _mm512_unpackhi_epi16(ab, cd);
  x[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
  x[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

INLINE const __m512i *weights_of(const head *h, uint32_t quad) {
  return (const __m512i *)(const void *)(h + 1) + 4u * (size_t)quad;
}

INLINE void add_quad(__m512i acc[4], const __m512i x[4], const __m512i *weights) {
  UNROLL for (int q = 0; q < 4; q++) acc[q] = _mm512_dpbusd_epi32(acc[q], x[q], weights[q]);
}

INLINE void start_sums(__m512i acc[4], const head *h) { UNROLL for (int q = 0; q < 4; q++) acc[q] = h->bias[q]; }

INLINE __m512i finished(__m512i acc[4], const head *h, const edge_limits512 *limits, const int form) {
  UNROLL for (int q = 0; q < 4; q++) acc[q] = edge_scale512_apply(acc[q], &h->scale[q], form);
  return edge_narrow512(acc[0], acc[1], acc[2], acc[3], limits);
}

/* How many quads there are, whether of columns, and whether the weights have a rest: constants in the fast cases. */
typedef struct filter {
  uint32_t quads, taps;
  int square, rest;
} filter;

/* The tile's outputs of the pixels at[0], at[1] .. */
INLINE __m512i outputs(const head *h, const uint8_t *const *taps, const size_t *at, const edge_limits512 *limits,
                       const filter f, const uint32_t width, const int form) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i acc[4], x[4];
  start_sums(acc, h);
  for (uint32_t quad = 0; quad < f.quads; quad++) {
    const uint32_t k = f.square ? quad : 4u * quad, next = f.square ? 3u : 1u, end = f.square ? 9u : f.taps;
    const __m512i a = load(taps[k], at, width), b = k + next < end ? load(taps[k + next], at, width) : zero;
    const __m512i c = k + 2 * next < end ? load(taps[k + 2 * next], at, width) : zero;
    const __m512i d = k + 3 * next < end ? load(taps[k + 3 * next], at, width) : zero;
    weave(x, a, b, c, d);
    add_quad(acc, x, weights_of(h, quad));
    if (f.rest) add_quad(acc, x, weights_of(h, f.quads + quad));
  }
  return finished(acc, h, limits, form);
}

/* What a row of pixels needs, all channels. */
typedef struct line {
  const edge_dw_desc *d;
  const uint8_t *const *taps;
  size_t step;
  uint32_t pixels;
  edge_limits512 limits;
} line;

/* Column `at` of a 3x3 window, of 64 channels. */
INLINE void column(__m512i x[4], const uint8_t *const rows[3], size_t at) {
  weave(x, load(rows[0], &at, 64), load(rows[1], &at, 64), load(rows[2], &at, 64), _mm512_setzero_si512());
}

/* 64 channels of a 3x3 filter over the line: each column of the image is woven once. */
INLINE void slide(const line *l, const head *h, uint32_t start, int8_t *to, const uint32_t stride, const int rest,
                  const int form) {
  const uint8_t *const rows[3] = {l->taps[0] + start, l->taps[3] + start, l->taps[6] + start};
  const size_t next = l->d->output_c;
  __m512i x[3][4];
  column(x[0], rows, 0);
  if (stride == 1) column(x[1], rows, next);
  size_t at = stride == 1 ? 2u * next : next; /* of the next column */
  for (uint32_t i = 0; i < l->pixels; i++, to += next) {
    __m512i acc[4];
    if (stride == 2) {
      column(x[1], rows, at);
      at += next;
    }
    column(x[2], rows, at);
    at += next;
    start_sums(acc, h);
    UNROLL for (int quad = 0; quad < 3; quad++) {
      add_quad(acc, x[quad], weights_of(h, (uint32_t)quad));
      if (rest) add_quad(acc, x[quad], weights_of(h, 3u + (uint32_t)quad));
    }
    _mm512_storeu_si512(to, finished(acc, h, &l->limits, form));
    UNROLL for (int q = 0; q < 4; q++) {
      x[0][q] = stride == 1 ? x[1][q] : x[2][q];
      x[1][q] = x[2][q];
    }
  }
}

/* A tile whose first channel is `start`, over the line. Where the tile is all there is of a pixel, pixels lie side by
 * side, in the output and, with a stride of 1, in the input: then all lanes are read at once. */
INLINE void tile_s8(const line *l, const head *h, uint32_t start, int8_t *to, const filter f, const uint32_t width,
                    const int form) {
  const uint32_t each = LANES / width;
  const size_t next = l->d->output_c;
  if (width == 64 && f.square && l->pixels > 1 && l->d->dilation_w == 1 && l->step <= 2u * next) {
    if (l->step == next) {
      slide(l, h, start, to, 1, f.rest, form);
    } else {
      slide(l, h, start, to, 2, f.rest, form);
    }
    return;
  }
  uint32_t i = 0;
  if (width < 64 && next == width && l->step == width) {
    for (; i + each <= l->pixels; i += each, to += LANES) {
      const size_t at = i * l->step;
      _mm512_storeu_si512(to, outputs(h, l->taps, &at, &l->limits, f, 64, form));
    }
  }
  size_t at[8];
  for (; i + each <= l->pixels; i += each, to += each * next) {
    UNROLL for (uint32_t p = 0; p < each; p++) at[p] = start + (i + p) * l->step;
    store(outputs(h, l->taps, at, &l->limits, f, width, form), to, next, width);
  }
  if (i == l->pixels) return;
  /* The last pixel stands in for those that are missing. */
  const uint32_t left = l->pixels - i;
  for (uint32_t p = 0; p < each; p++) at[p] = start + (i + (p < left ? p : left - 1u)) * l->step;
  store_some(outputs(h, l->taps, at, &l->limits, f, width, form), to, next, left, width);
}

#define FORMS(WIDTH)                                           \
  case WIDTH:                                                  \
    switch (_mm512_cvtsi512_si32(h->form)) {                   \
      case EDGE_SCALE_RELU:                                    \
        tile_s8(l, h, start, to, f, WIDTH, EDGE_SCALE_RELU);   \
        break;                                                 \
      case EDGE_SCALE_SIGNED:                                  \
        tile_s8(l, h, start, to, f, WIDTH, EDGE_SCALE_SIGNED); \
        break;                                                 \
      default:                                                 \
        tile_s8(l, h, start, to, f, WIDTH, EDGE_SCALE_MBQM);   \
    }                                                          \
    break;

INLINE void tiles_s8(const line *l, const void *packed, int8_t *output, const filter f) {
  const edge_dw_desc *d = l->d;
  const uint8_t *tile = packed;
  for (uint32_t c = 0, width; c < d->output_c; c += width, tile += tile_bytes(d)) {
    const head *h = (const head *)(const void *)tile;
    width = width_at(d, c);
    const uint32_t start = edge_dw_start(c, width, d->output_c);
    int8_t *to = output + start;
    switch (width) {
      FORMS(64)
      FORMS(32)
      FORMS(16)
      FORMS(8)
    }
  }
}

static void run_s8(const edge_dw_desc *d, const void *packed, const uint8_t *const *taps, size_t step, uint32_t pixels,
                   uint8_t *output) {
  line l = {d, taps, step, pixels, edge_limits512_of(d->output_zero_point, d->act_min.i, d->act_max.i)};
  const filter any = {quads_of(d), edge_dw_taps(d), 0, has_rest(d)};
  const filter square = {3, 9, 1, 0}, square_with_rest = {3, 9, 1, 1};
  int8_t *to = (int8_t *)output;
  if (!is_square(d)) {
    tiles_s8(&l, packed, to, any);
    return;
  }
  /* Copied, so that the compiler keeps them in registers over the pixels. */
  const uint8_t *const local[9] = {taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7], taps[8]};
  l.taps = local;
  if (has_rest(d)) {
    tiles_s8(&l, packed, to, square_with_rest);
  } else {
    tiles_s8(&l, packed, to, square);
  }
}

const edge_dw_kernel edge_qs8_depthwise_conv2d__avx512vnni = {
    .pixels = run_s8, .tile = 8, .padded = 1, .packed_bytes = packed_bytes, .pack = pack};

#include "depthwise_conv2d_f32.inc"

const edge_dw_kernel edge_f32_depthwise_conv2d__avx512vnni = {
    .pixels = run_f32, .tile = 16, .positions = 16, .padded = 1};
