/* GEMM for AVX-512 with VNNI: int8 by vpdpbusd, u8 x s8 without saturation, 64 products an instruction.
 *
 * A tile is 16 channels, one register of sums. Two tiles go side by side (8 x 32: 16 sums, and each broadcast of A
 * serves two products); a single row takes four, or its sums would wait for each other.
 */
#include <immintrin.h>

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
  } else {
    for (size_t i = 0; i < count; i++) to[i] = from[i] ^ 0x80u;
  }
}

static void copy_u8(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
                    uint32_t count) {
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

EDGE_INLINE __m512i words(const uint8_t *tile, uint32_t word) {
  return _mm512_loadu_si512(edge_tile_words(tile, word, NR));
}

/* The constants of a tile's epilogue in registers: loaded before the first store, which could alias them. */
typedef struct finish {
  __m512i multiplier, odd_multiplier, left, right, mask, threshold; /* MBQM */
  __m512d scale[2];                                                 /* F64 */
  __m512i low, high, zero_point;
} finish;

/* The clamp comes before the zero point is added, so that nothing overflows. */
EDGE_INLINE finish finish_of(const edge_gemm_task *task, const uint8_t *tile, const int f64) {
  finish f;
  f.low = _mm512_set1_epi32(task->act_min.i - task->zero_point);
  f.high = _mm512_set1_epi32(task->act_max.i - task->zero_point);
  f.zero_point = _mm512_set1_epi32(task->zero_point);
  if (f64) {
    const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR);
    f.scale[0] = _mm512_loadu_pd(scale);
    f.scale[1] = _mm512_loadu_pd(scale + 8);
  } else {
    f.multiplier = words(tile, EDGE_TILE_MULTIPLIER);
    f.odd_multiplier = _mm512_srli_epi64(f.multiplier, 32);
    f.left = words(tile, EDGE_TILE_LEFT);
    f.right = words(tile, EDGE_TILE_RIGHT);
    f.mask = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), f.right), _mm512_set1_epi32(1));
    f.threshold = _mm512_srli_epi32(f.mask, 1);
  }
  return f;
}

/* edge_mbqm by lane. The second rounding is RoundingDivideByPOT, which cannot overflow: add 1 where the bits shifted
 * out are more than half, or half and the value is not negative. */
EDGE_INLINE __m512i mbqm(__m512i acc, const finish *f) {
  const __m512i x = _mm512_sllv_epi32(acc, f->left);
  const __m512i half = _mm512_set1_epi64(INT64_C(1) << 30);
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, f->multiplier), half);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), f->odd_multiplier), half);
  const __m512i high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
  const __m512i threshold = _mm512_sub_epi32(f->threshold, _mm512_srai_epi32(high, 31));
  const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, f->mask), threshold);
  const __m512i shifted = _mm512_srav_epi32(high, f->right);
  return _mm512_mask_add_epi32(shifted, up, shifted, _mm512_set1_epi32(1));
}

EDGE_INLINE __m256i round_f64(__m256i acc, __m512d scale, const finish *f) {
  const __m512d low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(f->low));
  const __m512d high = _mm512_cvtepi32_pd(_mm512_castsi512_si256(f->high));
  const __m512d product = _mm512_mul_pd(_mm512_cvtepi32_pd(acc), scale);
  const __m512d x = _mm512_min_pd(_mm512_max_pd(product, low), high);
  const __m512d half = _mm512_or_pd(_mm512_and_pd(x, _mm512_set1_pd(-0.0)), _mm512_set1_pd(EDGE_HALF_BELOW));
  return _mm512_cvttpd_epi32(_mm512_add_pd(x, half));
}

EDGE_INLINE __m128i output_s8(__m512i acc, const finish *f, const int f64) {
  __m512i y;
  if (f64) {
    y = _mm512_inserti64x4(_mm512_castsi256_si512(round_f64(_mm512_castsi512_si256(acc), f->scale[0], f)),
                           round_f64(_mm512_extracti64x4_epi64(acc, 1), f->scale[1], f), 1);
  } else {
    y = _mm512_min_epi32(_mm512_max_epi32(mbqm(acc, f), f->low), f->high);
  }
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(y, f->zero_point));
}

EDGE_INLINE void tile_s8(const edge_gemm_task *task, const uint8_t *a, const int32_t *terms, const uint8_t *tiles,
                         int8_t *output, const int mr, const int nt, const int f64) {
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
  for (size_t k = 0; k < task->k; k += 4) {
    __m512i b[4];
    EDGE_UNROLL for (int j = 0; j < nt; j++) {
      b[j] = _mm512_loadu_si512(TILE(tiles, j) + EDGE_TILE_HEADER(NR) + k * NR);
    }
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      const __m512i x = _mm512_set1_epi32(edge_load_s32(a + r * task->panel_stride + k));
      EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm512_dpbusd_epi32(acc[r][j], x, b[j]);
    }
  }
  const size_t stride = task->output_stride;
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    const finish f = finish_of(task, TILE(tiles, j), f64);
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      _mm_storeu_si128((__m128i *)(void *)(output + r * stride + j * NR), output_s8(acc[r][j], &f, f64));
    }
  }
}

/* All rows of the panel for `nt` tiles. */
EDGE_INLINE void rows_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                         int8_t *output, const int nt, const int f64) {
  uint32_t row = 0;
  for (; rows - row >= 8; row += 8, a += 8 * task->panel_stride, output += 8 * task->output_stride) {
    tile_s8(task, a, edge_row_terms(task, row), tiles, output, 8, nt, f64);
  }
  for (; rows - row >= 4; row += 4, a += 4 * task->panel_stride, output += 4 * task->output_stride) {
    tile_s8(task, a, edge_row_terms(task, row), tiles, output, 4, nt, f64);
  }
  for (; row < rows; row += 1, a += task->panel_stride, output += task->output_stride) {
    tile_s8(task, a, edge_row_terms(task, row), tiles, output, 1, nt, f64);
  }
}

EDGE_INLINE void tiles_s8(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          uint32_t count, int8_t *output, const int f64) {
  for (; rows == 1 && count >= 4; count -= 4, tiles = TILE(tiles, 4), output += 4 * NR) {
    tile_s8(task, a, task->row_terms, tiles, output, 1, 4, f64);
  }
  for (; count >= 2; count -= 2, tiles = TILE(tiles, 2), output += 2 * NR) {
    rows_s8(task, a, rows, tiles, output, 2, f64);
  }
  if (count != 0) rows_s8(task, a, rows, tiles, output, 1, f64);
}

static void run_s8(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output) {
  if (task->epilogue == EDGE_GEMM_MBQM) {
    tiles_s8(task, panel, rows, packed, tiles, output, 0);
  } else {
    tiles_s8(task, panel, rows, packed, tiles, output, 1);
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
    .copy = copy_u8,
    .sum = sum_u8,
    .run = run_s8,
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
                          const int mr, const int nt) {
  __m512 acc[8][4];
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) acc[r][j] = _mm512_loadu_ps(TILE(tiles, j));
  }
  for (size_t k = 0; k < 4u * (size_t)task->k; k += 4) {
    __m512 b[4];
    EDGE_UNROLL for (int j = 0; j < nt; j++) b[j] = _mm512_loadu_ps(TILE(tiles, j) + (k + 4) * NR);
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      const __m512 x = _mm512_set1_ps(*(const float *)(const void *)(a + r * task->panel_stride + k));
      EDGE_UNROLL for (int j = 0; j < nt; j++) acc[r][j] = _mm512_fmadd_ps(x, b[j], acc[r][j]);
    }
  }
  const __m512 low = _mm512_set1_ps(task->act_min.f), high = _mm512_set1_ps(task->act_max.f);
  EDGE_UNROLL for (int j = 0; j < nt; j++) {
    EDGE_UNROLL for (int r = 0; r < mr; r++) {
      _mm512_storeu_ps(output + r * task->output_stride + (size_t)j * NR * 4u,
                       _mm512_min_ps(high, _mm512_max_ps(low, acc[r][j])));
    }
  }
}

EDGE_INLINE void rows_f32(const edge_gemm_task *task, const uint8_t *a, uint32_t rows, const uint8_t *tiles,
                          uint8_t *output, const int nt) {
  for (; rows >= 8; rows -= 8, a += 8 * task->panel_stride, output += 8 * task->output_stride) {
    tile_f32(task, a, tiles, output, 8, nt);
  }
  for (; rows >= 4; rows -= 4, a += 4 * task->panel_stride, output += 4 * task->output_stride) {
    tile_f32(task, a, tiles, output, 4, nt);
  }
  for (; rows >= 1; rows -= 1, a += task->panel_stride, output += task->output_stride) {
    tile_f32(task, a, tiles, output, 1, nt);
  }
}

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

const edge_gemm edge_f32_gemm__avx512vnni = {
    .name = "edge_f32_gemm__avx512vnni_8x32",
    .panel = EDGE_PANEL_F32,
    .mr = 8,
    .nr = NR,
    .kr = 1,
    .k_step = 1,
    .max_panel_rows = 64,
    .copy = copy_f32,
    .run = run_f32,
};
