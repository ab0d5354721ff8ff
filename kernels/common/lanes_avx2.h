/* Vectors of 8 int32 in AVX2; see lanes.h. */
#ifndef EDGE_LANES_AVX2_H
#define EDGE_LANES_AVX2_H

#include <immintrin.h>

#include "lanes.h"

enum { EDGE_LANES = 8, EDGE_LANES_POWERS = 0 };
typedef __m256i edge_lanes;

typedef struct edge_lanes_scale {
  edge_lanes multiplier, left, right, round;
} edge_lanes_scale;

static inline edge_lanes edge_lanes_splat(int32_t x) { return _mm256_set1_epi32(x); }
static inline edge_lanes edge_lanes_load(const int32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline edge_lanes edge_lanes_load_s8(const int8_t *from) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}
static inline edge_lanes edge_lanes_add(edge_lanes a, edge_lanes b) { return _mm256_add_epi32(a, b); }
static inline edge_lanes edge_lanes_sub(edge_lanes a, edge_lanes b) { return _mm256_sub_epi32(a, b); }
#define edge_lanes_shl(x, count) _mm256_slli_epi32((x), (count))

static inline edge_lanes edge_lanes_mbqm(edge_lanes x, edge_lanes_scale s) {
  const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 30);
  x = _mm256_sllv_epi32(x, s.left);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, s.multiplier), half);
  const __m256i odd =
      _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(s.multiplier, 32)), half);
  const __m256i y = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
  const __m256i magnitude = _mm256_srlv_epi32(_mm256_add_epi32(_mm256_abs_epi32(y), s.round), s.right);
  return _mm256_sign_epi32(magnitude, y);
}

/* Adds the zero point, clamps, and stores a then b: 16 bytes. zero_point in every int16, low and high in every byte. */
typedef struct edge_lanes_output {
  __m256i zero_point;
  __m128i low, high;
} edge_lanes_output;

static inline edge_lanes_output edge_lanes_output_of(int32_t zero_point, int32_t low, int32_t high) {
  const edge_lanes_output o = {_mm256_set1_epi16((short)zero_point), _mm_set1_epi8((char)low),
                               _mm_set1_epi8((char)high)};
  return o;
}

/* `sums` in the order of the output; the saturation of each step never changes a value the clamp would keep. */
static inline __m128i edge_lanes_narrow(__m256i sums, edge_lanes_output o) {
  const __m256i s = _mm256_adds_epi16(sums, o.zero_point);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  return _mm_min_epi8(o.high, _mm_max_epi8(o.low, bytes));
}

static inline void edge_lanes_store2_s8(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  _mm_storeu_si128((__m128i *)(void *)to, edge_lanes_narrow(sums, o));
}

/* 2 * EDGE_LANES int8 of a and b, widened, as pairs (a[i], b[i]) of int16 in an order of their own, and what gives
 * each pair's sum of products with a pair of weights. edge_lanes_store2_woven undoes the order. */
static inline void edge_lanes_weave(const int8_t *a, const int8_t *b, edge_lanes pairs[2]) {
  const __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)a));
  const __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
  pairs[0] = _mm256_unpacklo_epi16(x, y);
  pairs[1] = _mm256_unpackhi_epi16(x, y);
}
static inline edge_lanes edge_lanes_dot(edge_lanes pairs, edge_lanes weights) {
  return _mm256_madd_epi16(pairs, weights);
}
static inline void edge_lanes_store2_woven(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  _mm_storeu_si128((__m128i *)(void *)to, edge_lanes_narrow(_mm256_packs_epi32(a, b), o));
}

static inline edge_lanes edge_lanes_and(edge_lanes a, edge_lanes b) { return _mm256_and_si256(a, b); }
static inline edge_lanes edge_lanes_or(edge_lanes a, edge_lanes b) { return _mm256_or_si256(a, b); }
static inline edge_lanes edge_lanes_less(edge_lanes a, edge_lanes b) { return _mm256_cmpgt_epi32(b, a); }
static inline int edge_lanes_any(edge_lanes x) { return !_mm256_testz_si256(x, x); }

/* Arithmetic shift right by a count of all lanes. */
typedef __m128i edge_lanes_count;
static inline edge_lanes_count edge_lanes_count_of(int count) { return _mm_cvtsi32_si128(count); }
static inline edge_lanes edge_lanes_shr(edge_lanes x, edge_lanes_count count) { return _mm256_sra_epi32(x, count); }

/* EDGE_LANES floats. */
typedef __m256 edge_reals;
static inline edge_reals edge_reals_splat(float x) { return _mm256_set1_ps(x); }
static inline edge_reals edge_reals_load(const void *from) { return _mm256_loadu_ps((const float *)from); }
static inline void edge_reals_store(void *to, edge_reals x) { _mm256_storeu_ps((float *)to, x); }
static inline edge_reals edge_reals_add(edge_reals a, edge_reals b) { return _mm256_add_ps(a, b); }
/* a * b + c, rounded once. */
static inline edge_reals edge_reals_madd(edge_reals a, edge_reals b, edge_reals c) { return _mm256_fmadd_ps(a, b, c); }
/* Operands in this order keep a NaN. */
static inline edge_reals edge_reals_clamp(edge_reals x, edge_reals low, edge_reals high) {
  return _mm256_min_ps(high, _mm256_max_ps(low, x));
}

#include "lanes_scale.h"

#endif
