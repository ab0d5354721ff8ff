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

#include "lanes_scale.h"

#endif
