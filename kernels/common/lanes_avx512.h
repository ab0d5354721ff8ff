/* Vectors of 16 int32 in AVX-512; see lanes.h. */
#ifndef EDGE_LANES_AVX512_H
#define EDGE_LANES_AVX512_H

#include <immintrin.h>

#include "lanes.h"

enum { EDGE_LANES = 16, EDGE_LANES_POWERS = 0 };
typedef __m512i edge_lanes;

typedef struct edge_lanes_scale {
  edge_lanes multiplier, left, right, round;
} edge_lanes_scale;

static inline edge_lanes edge_lanes_splat(int32_t x) { return _mm512_set1_epi32(x); }
static inline edge_lanes edge_lanes_load(const int32_t *from) { return _mm512_loadu_si512(from); }
static inline edge_lanes edge_lanes_load_s8(const int8_t *from) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
}
static inline edge_lanes edge_lanes_add(edge_lanes a, edge_lanes b) { return _mm512_add_epi32(a, b); }
static inline edge_lanes edge_lanes_sub(edge_lanes a, edge_lanes b) { return _mm512_sub_epi32(a, b); }
#define edge_lanes_shl(x, count) _mm512_slli_epi32((x), (count))

static inline edge_lanes edge_lanes_mbqm(edge_lanes x, edge_lanes_scale s) {
  const __m512i half = _mm512_set1_epi64(INT64_C(1) << 30);
  x = _mm512_sllv_epi32(x, s.left);
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, s.multiplier), half);
  const __m512i odd =
      _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(s.multiplier, 32)), half);
  const __m512i y = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
  const __m512i magnitude = _mm512_srlv_epi32(_mm512_add_epi32(_mm512_abs_epi32(y), s.round), s.right);
  return _mm512_mask_sub_epi32(magnitude, _mm512_movepi32_mask(y), _mm512_setzero_si512(), magnitude);
}

/* Adds the zero point, clamps, and stores a then b: 32 bytes. zero_point in every int16, low and high in every byte. */
typedef struct edge_lanes_output {
  __m512i zero_point;
  __m256i low, high;
} edge_lanes_output;

static inline edge_lanes_output edge_lanes_output_of(int32_t zero_point, int32_t low, int32_t high) {
  const edge_lanes_output o = {_mm512_set1_epi16((short)zero_point), _mm256_set1_epi8((char)low),
                               _mm256_set1_epi8((char)high)};
  return o;
}

/* `sums` in the order of the output; the saturation of each step never changes a value the clamp would keep. */
static inline __m256i edge_lanes_narrow(__m512i sums, edge_lanes_output o) {
  const __m256i bytes = _mm512_cvtsepi16_epi8(_mm512_adds_epi16(sums, o.zero_point));
  return _mm256_min_epi8(o.high, _mm256_max_epi8(o.low, bytes));
}

static inline void edge_lanes_store2_s8(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  const __m512i sums = _mm512_permutexvar_epi64(order, _mm512_packs_epi32(a, b));
  _mm256_storeu_si256((__m256i *)(void *)to, edge_lanes_narrow(sums, o));
}

/* 2 * EDGE_LANES int8 of a and b, widened, as pairs (a[i], b[i]) of int16 in an order of their own, and what gives
 * each pair's sum of products with a pair of weights. edge_lanes_store2_woven undoes the order. */
static inline void edge_lanes_weave(const int8_t *a, const int8_t *b, edge_lanes pairs[2]) {
  const __m512i x = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)a));
  const __m512i y = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)b));
  pairs[0] = _mm512_unpacklo_epi16(x, y);
  pairs[1] = _mm512_unpackhi_epi16(x, y);
}
static inline edge_lanes edge_lanes_dot(edge_lanes pairs, edge_lanes weights) {
  return _mm512_madd_epi16(pairs, weights);
}
static inline void edge_lanes_store2_woven(int8_t *to, edge_lanes a, edge_lanes b, edge_lanes_output o) {
  _mm256_storeu_si256((__m256i *)(void *)to, edge_lanes_narrow(_mm512_packs_epi32(a, b), o));
}

static inline edge_lanes edge_lanes_and(edge_lanes a, edge_lanes b) { return _mm512_and_si512(a, b); }
static inline edge_lanes edge_lanes_or(edge_lanes a, edge_lanes b) { return _mm512_or_si512(a, b); }
static inline edge_lanes edge_lanes_less(edge_lanes a, edge_lanes b) {
  return _mm512_movm_epi32(_mm512_cmplt_epi32_mask(a, b));
}
static inline int edge_lanes_any(edge_lanes x) { return _mm512_test_epi32_mask(x, x) != 0; }

/* Arithmetic shift right by a count of all lanes. */
typedef __m128i edge_lanes_count;
static inline edge_lanes_count edge_lanes_count_of(int count) { return _mm_cvtsi32_si128(count); }
static inline edge_lanes edge_lanes_shr(edge_lanes x, edge_lanes_count count) { return _mm512_sra_epi32(x, count); }

/* EDGE_LANES floats. */
typedef __m512 edge_reals;
static inline edge_reals edge_reals_splat(float x) { return _mm512_set1_ps(x); }
static inline edge_reals edge_reals_load(const void *from) { return _mm512_loadu_ps(from); }
static inline void edge_reals_store(void *to, edge_reals x) { _mm512_storeu_ps(to, x); }
static inline edge_reals edge_reals_add(edge_reals a, edge_reals b) { return _mm512_add_ps(a, b); }
/* a * b + c, rounded once. */
static inline edge_reals edge_reals_madd(edge_reals a, edge_reals b, edge_reals c) { return _mm512_fmadd_ps(a, b, c); }
/* Operands in this order keep a NaN. */
static inline edge_reals edge_reals_clamp(edge_reals x, edge_reals low, edge_reals high) {
  return _mm512_min_ps(high, _mm512_max_ps(low, x));
}

#include "lanes_scale.h"

#endif
