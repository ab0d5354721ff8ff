/* GEMM for AVX-512 with VNNI: int8 by vpdpbusd, u8 x s8 without saturation, 64 products an instruction.
 *
 * A tile is 16 channels, one register of sums. Two tiles go side by side (8 x 32: 16 sums, and each broadcast of A
 * serves two products); a single row takes more, or its sums would wait for each other.
 */
#include <immintrin.h>

#include "../common/scale_avx512.h"
#include "gemm_tile.h"

#define NR 16
#define TILE(tiles, j) ((tiles) + (size_t)(j) * task->tile_bytes)

/* ---- int8 ---- */

#define FLIP(width, type, load, store, exclusive_or, splat)                                 \
  EDGE_INLINE void flip##width(uint8_t *to, const uint8_t *from) {                          \
    store((type *)(void *)to, exclusive_or(load((const type *)(const void *)from), splat)); \
  }
FLIP(64, __m512i, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_xor_si512, _mm512_set1_epi8((char)0x80))
FLIP(32, __m256i, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_xor_si256, _mm256_set1_epi8((char)0x80))
FLIP(16, __m128i, _mm_loadu_si128, _mm_storeu_si128, _mm_xor_si128, _mm_set1_epi8((char)0x80))
FLIP(8, __m128i, _mm_loadl_epi64, _mm_storel_epi64, _mm_xor_si128, _mm_set1_epi8((char)0x80))
EDGE_INLINE void flip4(uint8_t *to, const uint8_t *from) {
  const uint32_t x = (uint32_t)edge_load_s32(from) ^ 0x80808080u;
  __builtin_memcpy(to, &x, 4);
}

/* x -> x + 128. The last step of each width overlaps the one before: exact at both ends (and faster than a masked
 * store of bytes). */
EDGE_INLINE void flip(uint8_t *to, const uint8_t *from, size_t count) {
  if (count >= 64) {
    for (size_t i = 0; i + 64 < count; i += 64) flip64(to + i, from + i);
    flip64(to + count - 64, from + count - 64);
  } else if (count >= 32) {
    flip32(to, from);
    flip32(to + count - 32, from + count - 32);
  } else if (count >= 16) {
    flip16(to, from);
    flip16(to + count - 16, from + count - 16);
  } else if (count >= 8) {
    flip8(to, from);
    flip8(to + count - 8, from + count - 8);
  } else if (count >= 4) {
    flip4(to, from);
    flip4(to + count - 4, from + count - 4);
  } else {
    for (size_t i = 0; i < count; i++) to[i] = from[i] ^ 0x80u;
  }
}

static void copy_u8(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                    uint32_t count) {
  if (panel_stride == count && source_stride == count) {
    flip(panel, source, runs * (size_t)count);
    return;
  }
  for (uint32_t run = 0; run < runs; run++) {
    flip((uint8_t *)panel + run * panel_stride, (const uint8_t *)source + run * source_stride, count);
  }
}

static int32_t sum_u8(const void *panel, uint32_t count) {
  const uint8_t *at = panel;
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sums = _mm512_setzero_si512();
  uint32_t i = 0;
  for (; i + 64 <= count; i += 64) sums = _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(at + i), ones);
  const __mmask64 rest = (UINT64_C(1) << (count % 64u)) - 1u;
  if (rest != 0) sums = _mm512_dpbusd_epi32(sums, _mm512_maskz_loadu_epi8(rest, at + i), ones);
  return _mm512_reduce_add_epi32(sums);
}

/* The sums of the lanes of four registers. */
EDGE_INLINE __m128i sums_of(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i each = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(each), _mm512_extracti64x4_epi64(each, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* Up to 16 elements of four rows lie side by side in one register. */
EDGE_INLINE __m128i sum4_short(const uint8_t *at, size_t stride, uint32_t count) {
  const __mmask16 mask = (__mmask16)((UINT32_C(1) << count) - 1u);
  __m512i x = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask, at));
  x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, at + stride), 1);
  x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, at + 2 * stride), 2);
  x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, at + 3 * stride), 3);
  __m512i y = _mm512_dpbusd_epi32(_mm512_setzero_si512(), x, _mm512_set1_epi8(1));
  y = _mm512_add_epi32(y, _mm512_shuffle_epi32(y, _MM_PERM_CDAB));
  y = _mm512_add_epi32(y, _mm512_shuffle_epi32(y, _MM_PERM_BADC));
  const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, y));
}

static void sum4_u8(const void *panel, size_t stride, uint32_t count, int32_t sums[4]) {
  const uint8_t *at = panel;
  if (count <= 16) {
    _mm_storeu_si128((__m128i *)(void *)sums, sum4_short(at, stride, count));
    return;
  }
  const __m512i ones = _mm512_set1_epi8(1);
  const __mmask64 rest = (UINT64_C(1) << (count % 64u)) - 1u;
  __m512i acc[4];
  EDGE_UNROLL for (int r = 0; r < 4; r++) {
    acc[r] = _mm512_dpbusd_epi32(_mm512_setzero_si512(),
                                 _mm512_maskz_loadu_epi8(rest, at + r * stride + count / 64u * 64u), ones);
  }
  for (uint32_t i = 0; i + 64 <= count; i += 64) {
    EDGE_UNROLL for (int r = 0; r < 4; r++) {
      acc[r] = _mm512_dpbusd_epi32(acc[r], _mm512_loadu_si512(at + r * stride + i), ones);
    }
  }
  _mm_storeu_si128((__m128i *)(void *)sums, sums_of(acc[0], acc[1], acc[2], acc[3]));
}

EDGE_INLINE __m512i words(const uint8_t *tile, uint32_t word) {
  return _mm512_loadu_si512(edge_tile_words(tile, word, NR));
}

/* The constants of a tile's epilogue. */
typedef struct finish {
  edge_scale512 scale;
  __m512d real[2], low, high; /* AS_F64; the bounds are without the zero point */
} finish;

enum { AS_F64 = EDGE_SCALE_FORMS };

EDGE_INLINE finish finish_of(const edge_gemm_task *task, const uint8_t *tile, const int as) {
  finish f;
  if (as == AS_F64) {
    const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR);
    f.real[0] = _mm512_loadu_pd(scale);
    f.real[1] = _mm512_loadu_pd(scale + 8);
    f.low = _mm512_set1_pd(task->act_min.i - task->zero_point);
    f.high = _mm512_set1_pd(task->act_max.i - task->zero_point);
  } else {
    f.scale = edge_scale512_of(words(tile, EDGE_TILE_MULTIPLIER), words(tile, EDGE_TILE_LEFT),
                               words(tile, EDGE_TILE_RIGHT), as);
  }
  return f;
}

EDGE_INLINE __m256i round_f64(__m256i acc, __m512d scale, const finish *f) {
  const __m512d product = _mm512_mul_pd(_mm512_cvtepi32_pd(acc), scale);
  const __m512d x = _mm512_min_pd(_mm512_max_pd(product, f->low), f->high);
  const __m512d half = _mm512_or_pd(_mm512_and_pd(x, _mm512_set1_pd(-0.0)), _mm512_set1_pd(EDGE_HALF_BELOW));
  return _mm512_cvttpd_epi32(_mm512_add_pd(x, half));
}

EDGE_INLINE __m512i rounded(__m512i acc, const finish *f, const int as) {
  if (as != AS_F64) return edge_scale512_apply(acc, &f->scale, as);
  const __m256i low = round_f64(_mm512_castsi512_si256(acc), f->real[0], f);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), round_f64(_mm512_extracti64x4_epi64(acc, 1), f->real[1], f),
                            1);
}

/* Outputs of four tiles of a row, of two of two rows, or of one of four rows: one after the other. */
EDGE_INLINE __m512i narrow(__m512i a, __m512i b, __m512i c, __m512i d, const edge_limits512 *l) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, edge_narrow512(a, b, c, d, l));
}

EDGE_INLINE void store16(int8_t *to, __m128i y, const int half) {
  if (half) {
    _mm_storel_epi64((__m128i *)(void *)to, y);
  } else {
    _mm_storeu_si128((__m128i *)(void *)to, y);
  }
}

EDGE_INLINE void store32(int8_t *to, __m256i y, const int half) {
  if (half) {
    store16(to, _mm256_castsi256_si128(y), 0);
    store16(to + 16, _mm256_extracti128_si256(y, 1), 1);
  } else {
    _mm256_storeu_si256((__m256i *)(void *)to, y);
  }
}

/* `mr` rows of `nt` tiles; half: only the first half of the last tile. */
EDGE_INLINE void store_s8(int8_t *to, size_t stride, const __m512i acc[8][4], const finish *f, const edge_limits512 *l,
                          const int mr, const int nt, const int as, const int half) {
  __m512i y[8][4];
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    EDGE_UNROLL for (int j = 0; j < nt; j++) y[r][j] = rounded(acc[r][j], &f[j], as);
  }
  if (nt == 4) {
    _mm512_storeu_si512(to, narrow(y[0][0], y[0][1], y[0][2], y[0][3], l));
  } else if (nt == 2 && mr == 1) {
    store32(to, _mm512_castsi512_si256(narrow(y[0][0], y[0][1], y[0][0], y[0][1], l)), half);
  } else if (nt == 2) {
    EDGE_UNROLL for (int r = 0; r < mr; r += 2) {
      const __m512i both = narrow(y[r][0], y[r][1], y[r + 1][0], y[r + 1][1], l);
      store32(to + r * stride, _mm512_castsi512_si256(both), half);
      store32(to + (r + 1) * stride, _mm512_extracti64x4_epi64(both, 1), half);
    }
  } else if (mr == 1) {
    store16(to, _mm512_castsi512_si128(narrow(y[0][0], y[0][0], y[0][0], y[0][0], l)), half);
  } else {
    EDGE_UNROLL for (int r = 0; r < mr; r += 4) {
      const __m512i all = narrow(y[r][0], y[r + 1][0], y[r + 2][0], y[r + 3][0], l);
      store16(to + r * stride, _mm512_castsi512_si128(all), half);
      store16(to + (r + 1) * stride, _mm512_extracti32x4_epi32(all, 1), half);
      store16(to + (r + 2) * stride, _mm512_extracti32x4_epi32(all, 2), half);
      store16(to + (r + 3) * stride, _mm512_extracti32x4_epi32(all, 3), half);
    }
  }
}

/* One segment of a single row, in as many chains of sums as fill the time until a sum is there. Returns what follows
 * the segment's weights. */
EDGE_INLINE const uint8_t *row_sums(const edge_gemm_task *task, const uint8_t *from, const uint8_t *weights,
                                    __m512i acc[4], const int nt) {
  const int chains = 8 / nt;
  __m512i sums[8][4];
  EDGE_UNROLL for (int c = 1; c < chains; c++) {
    EDGE_UNROLL for (int j = 0; j < nt; j++) sums[c][j] = _mm512_setzero_si512();
  }
  EDGE_UNROLL for (int j = 0; j < nt; j++) sums[0][j] = acc[j];
  size_t k = 0;
  for (; k + 4u * (size_t)chains <= task->k; k += 4u * (size_t)chains, weights += chains * 4 * NR) {
    EDGE_UNROLL for (int c = 0; c < chains; c++) {
      const __m512i x = _mm512_set1_epi32(edge_load_s32(from + k + 4 * c));
      EDGE_UNROLL for (int j = 0; j < nt; j++) {
        sums[c][j] = _mm512_dpbusd_epi32(sums[c][j], x, _mm512_loadu_si512(TILE(weights, j) + c * 4 * NR));
      }
    }
  }
  for (; k < task->k; k += 4, weights += 4 * NR) {
    const __m512i x = _mm512_set1_epi32(edge_load_s32(from + k));
    EDGE_UNROLL for (int j = 0; j < nt; j++) {
      sums[0][j] = _mm512_dpbusd_epi32(sums[0][j], x, _mm512_loadu_si512(TILE(weights, j)));
    }
  }
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    acc[j] = sums[0][j];
    EDGE_UNROLL for (int c = 1; c < chains; c++) acc[j] = _mm512_add_epi32(acc[j], sums[c][j]);
  }
  return weights;
}

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                         const finish *f, const edge_limits512 *l, int8_t *output, const int mr, const int nt,
                         const int as, const int half) {
  __m512i acc[8][4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) acc[r][j] = words(TILE(tiles, j), EDGE_TILE_BIAS);
  }
  if (terms != NULL) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      const __m512i term = _mm512_set1_epi32(terms[r]);
      EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm512_add_epi32(acc[r][j], term);
    }
  }
  const uint8_t *weights = tiles + EDGE_TILE_HEADER(NR);
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *from = a + task->segment[s];
    if (mr == 1) {
      weights = row_sums(task, from, weights, acc[0], nt);
      continue;
    }
    for (size_t k = 0; k < task->k; k += 4, weights += 4 * NR) {
      __m512i b[4];
      EDGE_UNROLL for (int j = 0; j < nt; j++) b[j] = _mm512_loadu_si512(TILE(weights, j));
      EDGE_UNROLL for (int r = 0; r < mr; r++) {
        const __m512i x = _mm512_set1_epi32(edge_load_s32(from + r * task->panel_stride + k));
        EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm512_dpbusd_epi32(acc[r][j], x, b[j]);
      }
    }
  }
  store_s8(output, task->output_stride, acc, f, l, mr, nt, as, half);
}

/* Does ROWS(first, how many) for all rows; the last, where they are less than four, with some of those before again:
 * that is better than one at a time. */
#define OVER_ROWS(rows)                               \
  do {                                                \
    uint32_t row = 0;                                 \
    for (; (rows) - row >= 8; row += 8) ROWS(row, 8); \
    for (; (rows) - row >= 4; row += 4) ROWS(row, 4); \
    if ((rows) > 4 && row < (rows)) {                 \
      ROWS((rows) - 4u, 4);                           \
    } else {                                          \
      for (; row < (rows); row += 1) ROWS(row, 1);    \
    }                                                 \
  } while (0)

/* All rows of the panel for `nt` tiles. */
EDGE_INLINE void rows_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                         int8_t *output, const int nt, const int as, const int half) {
  const edge_limits512 l = edge_limits512_of(task->zero_point, task->act_min.i, task->act_max.i);
  finish f[4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) f[j] = finish_of(task, TILE(tiles, j), as);
#define ROWS(row, mr)                                                                    \
  tile_s8(task, a + (row) * task->panel_stride, edge_row_terms(task, row), tiles, f, &l, \
          output + (row) * task->output_stride, mr, nt, as, half)
  if (nt == 4) { /* a single row */
    ROWS(0, 1);
  } else {
    OVER_ROWS(rows);
  }
#undef ROWS
}

/* The fastest form that is right for these tiles. */
EDGE_INLINE int form_of(const edge_gemm_task *task, const uint8_t *tiles, const int nt) {
  if (task->epilogue == EDGE_GEMM_F64) return AS_F64;
  const uint32_t word = task->act_min.i >= task->zero_point ? EDGE_TILE_SCALAR : EDGE_TILE_LARGE;
  int32_t marked = 0;
  for (int j = 0; j < nt; j++) marked |= *edge_tile_words(TILE(tiles, j), word, NR);
  if (marked != 0) return EDGE_SCALE_MBQM;
  return word == EDGE_TILE_SCALAR ? EDGE_SCALE_RELU : EDGE_SCALE_SIGNED;
}

EDGE_INLINE void tiles_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          int8_t *output, const int nt, const int half) {
  switch (form_of(task, tiles, nt)) {
    case EDGE_SCALE_RELU:
      rows_s8(task, a, rows, tiles, output, nt, EDGE_SCALE_RELU, half);
      break;
    case EDGE_SCALE_SIGNED:
      rows_s8(task, a, rows, tiles, output, nt, EDGE_SCALE_SIGNED, half);
      break;
    case EDGE_SCALE_MBQM:
      rows_s8(task, a, rows, tiles, output, nt, EDGE_SCALE_MBQM, half);
      break;
    default:
      rows_s8(task, a, rows, tiles, output, nt, AS_F64, half);
  }
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t count,
                   void *output) {
  const uint8_t *tiles = packed;
  int8_t *to = output;
  for (; rows == 1 && count >= 4; count -= 4, tiles = TILE(tiles, 4), to += 4 * NR) {
    tiles_s8(task, panel, rows, tiles, to, 4, 0);
  }
  for (; count >= 2; count -= 2, tiles = TILE(tiles, 2), to += 2 * NR) tiles_s8(task, panel, rows, tiles, to, 2, 0);
  if (count != 0) tiles_s8(task, panel, rows, tiles, to, 1, 0);
}

static void run_half_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed,
                        uint32_t count, void *output) {
  const uint8_t *last = TILE((const uint8_t *)packed, count / 2u * 2u);
  int8_t *to = (int8_t *)output + count / 2u * 2u * NR;
  if (count >= 2) run_s8(task, panel, rows, packed, count / 2u * 2u, output);
  if (count % 2u != 0) {
    tiles_s8(task, panel, rows, last, to, 2, 1);
  } else {
    tiles_s8(task, panel, rows, last, to, 1, 1);
  }
}

const edge_gemm edge_qs8_gemm__avx512vnni = {
    .name = "edge_qs8_gemm__avx512vnni_8x32",
    .panel = EDGE_PANEL_U8,
    .mr = 8,
    .nr = NR,
    .kr = 4,
    .k_step = 4,
    .max_panel_rows = 64,
    .panel_bytes = 65536,
    .sums_any_count = 1,
    .segmented = 1,
    .least_rows = 5,
    .copy = copy_u8,
    .sum = sum_u8,
    .sum4 = sum4_u8,
    .run = run_s8,
    .run_half = run_half_s8,
};

/* ---- f32 ---- */

/* The last elements, below 16, by a mask: nothing beyond is touched. */
static void copy_f32(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  const __mmask16 rest = (__mmask16)((1u << (count % 16u)) - 1u);
  for (uint32_t run = 0; run < runs; run++) {
    const uint8_t *from = (const uint8_t *)source + run * source_stride;
    uint8_t *to = (uint8_t *)panel + run * panel_stride;
    uint32_t i = 0;
    for (; i + 16u <= count; i += 16u) _mm512_storeu_ps(to + 4u * i, _mm512_loadu_ps(from + 4u * i));
    if (rest != 0) _mm512_mask_storeu_ps(to + 4u * i, rest, _mm512_maskz_loadu_ps(rest, from + 4u * i));
  }
}

EDGE_INLINE void tile_f32(const edge_gemm_task *task, const uint8_t *a, const uint8_t *tiles, uint8_t *output,
                          const int mr, const int nt, const int half) {
  __m512 acc[8][8];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) acc[r][j] = _mm512_loadu_ps(TILE(tiles, j));
  }
  const uint8_t *weights = tiles + 4 * NR;
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *from = a + task->segment[s];
    for (size_t k = 0; k < 4u * (size_t)task->k; k += 4, weights += 4 * NR) {
      __m512 b[8];
      EDGE_UNROLL for (int j = 0; j < nt; j++) b[j] = _mm512_loadu_ps(TILE(weights, j));
      EDGE_UNROLL for (int r = 0; r < mr; r++) {
        const __m512 x = _mm512_set1_ps(*(const float *)(const void *)(from + r * task->panel_stride + k));
        EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm512_fmadd_ps(x, b[j], acc[r][j]);
      }
    }
  }
  const __m512 low = _mm512_set1_ps(task->act_min.f), high = _mm512_set1_ps(task->act_max.f);
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      const __m512 y = _mm512_min_ps(high, _mm512_max_ps(low, acc[r][j]));
      uint8_t *to = output + r * task->output_stride + (size_t)j * NR * 4u;
      if (half && j == nt - 1) {
        _mm256_storeu_ps((float *)(void *)to, _mm512_castps512_ps256(y));
      } else {
        _mm512_storeu_ps(to, y);
      }
    }
  }
}

EDGE_INLINE void rows_f32(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          uint8_t *output, const int nt, const int half) {
#define ROWS(row, mr) \
  tile_f32(task, a + (row) * task->panel_stride, tiles, output + (row) * task->output_stride, mr, nt, half)
  OVER_ROWS(rows);
#undef ROWS
}

static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  const uint8_t *from = packed;
  uint8_t *to = output;
  for (; rows == 1 && tiles >= 8; tiles -= 8, from = TILE(from, 8), to += 8 * NR * 4) {
    tile_f32(task, panel, from, to, 1, 8, 0);
  }
  for (; rows == 1 && tiles >= 4; tiles -= 4, from = TILE(from, 4), to += 4 * NR * 4) {
    tile_f32(task, panel, from, to, 1, 4, 0);
  }
  for (; tiles >= 2; tiles -= 2, from = TILE(from, 2), to += 2 * NR * 4) rows_f32(task, panel, rows, from, to, 2, 0);
  if (tiles != 0) rows_f32(task, panel, rows, from, to, 1, 0);
}

static void run_half_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed,
                         uint32_t count, void *output) {
  const uint8_t *last = TILE((const uint8_t *)packed, count / 2u * 2u);
  uint8_t *to = (uint8_t *)output + count / 2u * 2u * NR * 4u;
  if (count >= 2) run_f32(task, panel, rows, packed, count / 2u * 2u, output);
  if (count % 2u != 0) {
    rows_f32(task, panel, rows, last, to, 2, 1);
  } else {
    rows_f32(task, panel, rows, last, to, 1, 1);
  }
}

const edge_gemm edge_f32_gemm__avx512vnni = {
    .name = "edge_f32_gemm__avx512vnni_8x32",
    .panel = EDGE_PANEL_F32,
    .mr = 8,
    .nr = NR,
    .kr = 1,
    .k_step = 1,
    .max_panel_rows = 64,
    .panel_bytes = 131072,
    .segmented = 1,
    .least_rows = 5,
    .copy = copy_f32,
    .run = run_f32,
    .run_half = run_half_f32,
};
