/* GEMM for AVX2 and FMA: int8 widened to int16, products of pairs by vpmaddwd, which is exact.
 *
 * A tile is 8 channels, one register of sums; two tiles go side by side. (vpmaddubsw would halve the work but
 * saturates.)
 */
#include <immintrin.h>

#include "../common/relu_avx2.h"
#include "gemm_tile.h"

#define NR 8
#define TILE(tiles, j) ((tiles) + (size_t)(j) * task->tile_bytes)

/* ---- int8 ---- */

EDGE_INLINE void widen16(int16_t *to, const int8_t *from) {
  _mm256_storeu_si256((__m256i *)(void *)to,
                      _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from)));
}
EDGE_INLINE void widen8(int16_t *to, const int8_t *from) {
  _mm_storeu_si128((__m128i *)(void *)to, _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)from)));
}
EDGE_INLINE void widen4(int16_t *to, const int8_t *from) {
  _mm_storel_epi64((__m128i *)(void *)to, _mm_cvtepi8_epi16(_mm_cvtsi32_si128(edge_load_s32(from))));
}

/* The last step of each width overlaps the one before: exact at both ends, no scalar tail from 4 elements on. */
EDGE_INLINE void widen(int16_t *to, const int8_t *from, uint32_t count) {
  if (count >= 16) {
    for (uint32_t i = 0; i + 16 < count; i += 16) widen16(to + i, from + i);
    widen16(to + count - 16, from + count - 16);
  } else if (count >= 8) {
    widen8(to, from);
    widen8(to + count - 8, from + count - 8);
  } else if (count >= 4) {
    widen4(to, from);
    widen4(to + count - 4, from + count - 4);
  } else {
    for (uint32_t i = 0; i < count; i++) to[i] = from[i];
  }
}

static void copy_s16(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    widen((int16_t *)(void *)((uint8_t *)panel + run * panel_stride), (const int8_t *)source + run * source_stride,
          count);
  }
}

static int32_t sum_s16(const void *panel, uint32_t count) {
  const int16_t *at = panel;
  __m256i sums = _mm256_setzero_si256();
  uint32_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(at + i));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(x, _mm256_set1_epi16(1)));
  }
  int32_t lanes[8], sum = 0;
  _mm256_storeu_si256((__m256i *)(void *)lanes, sums);
  for (int lane = 0; lane < 8; lane++) sum += lanes[lane];
  for (; i < count; i++) sum += at[i];
  return sum;
}

EDGE_INLINE __m256i words(const uint8_t *tile, uint32_t word) {
  return _mm256_loadu_si256((const __m256i *)(const void *)edge_tile_words(tile, word, NR));
}

/* Forms of the epilogue; e is `right`.
 *
 *   AS_RELU    act_min >= zero_point, not EDGE_TILE_SCALAR: relu_avx2.h
 *   AS_SIGNED  not EDGE_TILE_LARGE: (((x * m + 2^30 + 2^(30 + e)) >> 31) - (x < 0)) >> e. (Where x < 0 and the first
 *              rounding gives 0, edge_mbqm takes the 1 not away; the result is 0 by both.)
 */
enum { AS_MBQM, AS_SIGNED, AS_RELU, AS_F64 };

/* The constants of a tile's epilogue. */
typedef struct finish {
  edge_relu_scale relu;
  __m256i multiplier, odd_multiplier; /* by the lanes with even numbers, and with odd ones in their places */
  __m256i half, odd_half;             /* AS_SIGNED: what is added to the product */
  __m256i left, right, mask, threshold;
  __m256d scale[2], low, high; /* AS_F64; the bounds are without the zero point */
} finish;

/* What is the same for all tiles. */
typedef struct limits {
  __m256i zero_point;
  __m128i act_min, act_max;
} limits;

EDGE_INLINE limits limits_of(const edge_gemm_task *task) {
  const limits l = {_mm256_set1_epi16((int16_t)task->zero_point), _mm_set1_epi8((char)task->act_min.i),
                    _mm_set1_epi8((char)task->act_max.i)};
  return l;
}

EDGE_INLINE void finish_f64(finish *f, const edge_gemm_task *task, const uint8_t *tile) {
  const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR);
  f->scale[0] = _mm256_loadu_pd(scale);
  f->scale[1] = _mm256_loadu_pd(scale + 4);
  f->low = _mm256_set1_pd(task->act_min.i - task->zero_point);
  f->high = _mm256_set1_pd(task->act_max.i - task->zero_point);
}

EDGE_INLINE void finish_mbqm(finish *f, const uint8_t *tile, const int as) {
  f->multiplier = words(tile, EDGE_TILE_MULTIPLIER);
  f->right = words(tile, EDGE_TILE_RIGHT);
  if (as == AS_RELU) {
    f->relu = edge_relu_scale_of(f->multiplier, f->right);
    return;
  }
  f->odd_multiplier = _mm256_srli_epi64(f->multiplier, 32);
  f->left = words(tile, EDGE_TILE_LEFT);
  f->mask = _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), f->right), _mm256_set1_epi32(1));
  f->threshold = _mm256_srli_epi32(f->mask, 1);
  f->half = edge_halves(_mm256_and_si256(f->right, _mm256_set1_epi64x(0xffffffff)), 30);
  f->odd_half = edge_halves(_mm256_srli_epi64(f->right, 32), 30);
}

/* (x * m + half) >> 31, with x in the lanes of acc. */
EDGE_INLINE __m256i high_product(__m256i acc, const finish *f, __m256i half, __m256i odd_half) {
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, f->multiplier), half);
  const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), f->odd_multiplier), odd_half);
  return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

EDGE_INLINE __m256i mbqm_signed(__m256i acc, const finish *f) {
  const __m256i high = high_product(acc, f, f->half, f->odd_half);
  return _mm256_srav_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(acc, 31)), f->right);
}

/* edge_mbqm by lane. The second rounding is RoundingDivideByPOT, which cannot overflow: add 1 where the bits shifted
 * out are more than half, or half and the value is not negative. */
EDGE_INLINE __m256i mbqm(__m256i acc, const finish *f) {
  const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 30);
  const __m256i high = high_product(_mm256_sllv_epi32(acc, f->left), f, half, half);
  const __m256i threshold = _mm256_sub_epi32(f->threshold, _mm256_srai_epi32(high, 31));
  const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(high, f->mask), threshold);
  return _mm256_sub_epi32(_mm256_srav_epi32(high, f->right), up);
}

EDGE_INLINE __m128i round_f64(__m128i acc, __m256d scale, const finish *f) {
  const __m256d product = _mm256_mul_pd(_mm256_cvtepi32_pd(acc), scale);
  const __m256d x = _mm256_min_pd(_mm256_max_pd(product, f->low), f->high);
  const __m256d half = _mm256_or_pd(_mm256_and_pd(x, _mm256_set1_pd(-0.0)), _mm256_set1_pd(EDGE_HALF_BELOW));
  return _mm256_cvttpd_epi32(_mm256_add_pd(x, half));
}

EDGE_INLINE __m256i rounded(__m256i acc, const finish *f, const int as) {
  if (as == AS_RELU) return edge_relu(acc, &f->relu);
  if (as == AS_SIGNED) return mbqm_signed(acc, f);
  if (as == AS_MBQM) return mbqm(acc, f);
  const __m128i low = round_f64(_mm256_castsi256_si128(acc), f->scale[0], f);
  return _mm256_set_m128i(round_f64(_mm256_extracti128_si256(acc, 1), f->scale[1], f), low);
}

/* One row's sums of `nt` tiles to outputs. Saturation to int16 and int8 on the way never hides what the clamp would
 * change. */
EDGE_INLINE void store_s8(int8_t *output, const __m256i *acc, const finish *f, const limits *l, const int nt,
                          const int as) {
  const __m256i first = rounded(acc[0], &f[0], as), second = nt == 2 ? rounded(acc[1], &f[1], as) : first;
  const __m256i wide = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
  const __m256i sum = _mm256_adds_epi16(wide, l->zero_point);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  const __m128i y = _mm_min_epi8(_mm_max_epi8(bytes, l->act_min), l->act_max);
  if (nt == 2) {
    _mm_storeu_si128((__m128i *)(void *)output, y);
  } else {
    _mm_storel_epi64((__m128i *)(void *)output, y);
  }
}

/* One pair of k: weights [8][2]. */
EDGE_INLINE void step_s8(const edge_gemm_task *task, const uint8_t *const row[4], size_t k, const uint8_t *weights,
                         __m256i acc[4][2], const int mr, const int nt) {
  __m256i b[2];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    b[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)TILE(weights, j)));
  }
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const __m256i x = _mm256_set1_epi32(edge_load_s32(row[r] + 2 * k));
    EDGE_UNROLL for (int j = 0; j < nt; j++) { acc[r][j] = _mm256_add_epi32(acc[r][j], _mm256_madd_epi16(x, b[j])); }
  }
}

/* Rows of A by `nt` tiles; `f`: the tiles' finish. */
EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                         const finish *f, const limits *l, int8_t *output, const int mr, const int nt, const int as) {
  __m256i acc[4][2];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) acc[r][j] = words(TILE(tiles, j), EDGE_TILE_BIAS);
  }
  if (terms != NULL) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      const __m256i term = _mm256_set1_epi32(terms[r]);
      EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm256_add_epi32(acc[r][j], term);
    }
  }
  const uint8_t *weights = tiles + EDGE_TILE_HEADER(NR);
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *row[4];
    EDGE_UNROLL for (int r = 0; r < mr; r++) row[r] = a + r * task->panel_stride + task->segment[s];
    for (size_t k = 0; k < task->k; k += 4, weights += 4 * NR) {
      step_s8(task, row, k, weights, acc, mr, nt);
      step_s8(task, row, k + 2, weights + 2 * NR, acc, mr, nt);
    }
  }
  EDGE_UNROLL for (int r = 0; r < mr; r++) store_s8(output + r * task->output_stride, acc[r], f, l, nt, as);
}

/* All rows of the panel for `nt` tiles. */
EDGE_INLINE void rows_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                         int8_t *output, const int nt, const int as) {
  const limits l = limits_of(task);
  finish f[2];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    if (as == AS_F64) finish_f64(&f[j], task, TILE(tiles, j));
    if (as != AS_F64) finish_mbqm(&f[j], TILE(tiles, j), as);
  }
  uint32_t row = 0;
  for (; rows - row >= 4; row += 4, a += 4 * task->panel_stride, output += 4 * task->output_stride) {
    tile_s8(task, a, edge_row_terms(task, row), tiles, f, &l, output, 4, nt, as);
  }
  for (; row < rows; row += 1, a += task->panel_stride, output += task->output_stride) {
    tile_s8(task, a, edge_row_terms(task, row), tiles, f, &l, output, 1, nt, as);
  }
}

/* The fastest form that is right for these tiles. */
EDGE_INLINE int form_of(const edge_gemm_task *task, const uint8_t *tiles, const int nt) {
  if (task->epilogue == EDGE_GEMM_F64) return AS_F64;
  const uint32_t word = task->act_min.i >= task->zero_point ? EDGE_TILE_SCALAR : EDGE_TILE_LARGE;
  int32_t marked = 0;
  for (int j = 0; j < nt; j++) marked |= *edge_tile_words(TILE(tiles, j), word, NR);
  if (marked != 0) return AS_MBQM;
  return word == EDGE_TILE_SCALAR ? AS_RELU : AS_SIGNED;
}

EDGE_INLINE void tiles_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          int8_t *output, const int nt) {
  switch (form_of(task, tiles, nt)) {
    case AS_RELU:
      rows_s8(task, a, rows, tiles, output, nt, AS_RELU);
      break;
    case AS_SIGNED:
      rows_s8(task, a, rows, tiles, output, nt, AS_SIGNED);
      break;
    case AS_MBQM:
      rows_s8(task, a, rows, tiles, output, nt, AS_MBQM);
      break;
    default:
      rows_s8(task, a, rows, tiles, output, nt, AS_F64);
  }
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t count,
                   void *output) {
  const uint8_t *tiles = packed;
  int8_t *to = output;
  for (; count >= 2; count -= 2, tiles = TILE(tiles, 2), to += 2 * NR) tiles_s8(task, panel, rows, tiles, to, 2);
  if (count != 0) tiles_s8(task, panel, rows, tiles, to, 1);
}

const edge_gemm edge_qs8_gemm__avx2 = {
    .name = "edge_qs8_gemm__avx2_4x16",
    .panel = EDGE_PANEL_S16,
    .mr = 4,
    .nr = NR,
    .kr = 2,
    .k_step = 4,
    .max_panel_rows = 64,
    .segmented = 1,
    .copy = copy_s16,
    .sums_any_count = 1,
    .sum = sum_s16,
    .run = run_s8,
};

/* ---- f32 ---- */

static void copy_f32(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                     uint32_t count) {
  for (uint32_t run = 0; run < runs; run++) {
    const uint8_t *from = (const uint8_t *)source + run * source_stride;
    uint8_t *to = (uint8_t *)panel + run * panel_stride;
    uint32_t i = 0;
    for (; i + 8u <= count; i += 8u) {
      _mm256_storeu_ps((float *)(void *)(to + 4u * i), _mm256_loadu_ps((const float *)(const void *)(from + 4u * i)));
    }
    for (; i < count; i++) __builtin_memcpy(to + 4u * i, from + 4u * i, 4);
  }
}

EDGE_INLINE __m256 load_f32(const uint8_t *at) { return _mm256_loadu_ps((const float *)(const void *)at); }

EDGE_INLINE void tile_f32(const edge_gemm_task *task, const uint8_t *a, const uint8_t *tiles, uint8_t *output,
                          const int mr, const int nt) {
  __m256 acc[6][4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) acc[r][j] = load_f32(TILE(tiles, j));
  }
  const uint8_t *weights = tiles + 4 * NR;
  for (uint32_t s = 0; s < task->segments; s++) {
    const uint8_t *row[6];
    EDGE_UNROLL for (int r = 0; r < mr; r++) row[r] = a + r * task->panel_stride + task->segment[s];
    for (size_t k = 0; k < 4u * (size_t)task->k; k += 4, weights += 4 * NR) {
      __m256 b[4];
      EDGE_UNROLL for (int j = 0; j < nt; j++) b[j] = load_f32(TILE(weights, j));
      EDGE_UNROLL for (int r = 0; r < mr; r++) {
        const __m256 x = _mm256_broadcast_ss((const float *)(const void *)(row[r] + k));
        EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm256_fmadd_ps(x, b[j], acc[r][j]);
      }
    }
  }
  const __m256 low = _mm256_set1_ps(task->act_min.f), high = _mm256_set1_ps(task->act_max.f);
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      float *to = (float *)(void *)(output + r * task->output_stride) + j * NR;
      _mm256_storeu_ps(to, _mm256_min_ps(high, _mm256_max_ps(low, acc[r][j])));
    }
  }
}

EDGE_INLINE void rows_f32(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          uint8_t *output, const int nt) {
  for (; rows >= 6; rows -= 6, a += 6 * task->panel_stride, output += 6 * task->output_stride) {
    tile_f32(task, a, tiles, output, 6, nt);
  }
  for (; rows >= 3; rows -= 3, a += 3 * task->panel_stride, output += 3 * task->output_stride) {
    tile_f32(task, a, tiles, output, 3, nt);
  }
  for (; rows >= 1; rows -= 1, a += task->panel_stride, output += task->output_stride) {
    tile_f32(task, a, tiles, output, 1, nt);
  }
}

/* A single row takes four tiles, or its sums would wait for each other. */
static void run_f32(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                    void *output) {
  const uint8_t *from = packed;
  uint8_t *to = output;
  for (; rows == 1 && tiles >= 4; tiles -= 4, from = TILE(from, 4), to += 4 * NR * 4) {
    tile_f32(task, panel, from, to, 1, 4);
  }
  for (; tiles >= 2; tiles -= 2, from = TILE(from, 2), to += 2 * NR * 4) rows_f32(task, panel, rows, from, to, 2);
  if (tiles != 0) rows_f32(task, panel, rows, from, to, 1);
}

const edge_gemm edge_f32_gemm__avx2 = {
    .name = "edge_f32_gemm__avx2_6x16",
    .panel = EDGE_PANEL_F32,
    .mr = 6,
    .nr = NR,
    .kr = 1,
    .k_step = 1,
    .max_panel_rows = 60,
    .segmented = 1,
    .copy = copy_f32,
    .run = run_f32,
};
