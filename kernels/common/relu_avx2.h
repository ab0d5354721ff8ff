/* edge_mbqm by lane where act_min >= zero_point, in AVX2: a negative sum counts as 0, and its two roundings are one
 * shift.
 *
 * With e = `right`, and no left shift, the result is (x * m + 2^30 + (e > 0) * 2^(30 + e)) >> (31 + e). It is computed
 * in unsigned 64 bits with all doubled, so that the result of an odd lane ends in its place:
 *
 *     (x * 2m + 2^31 + (e > 0) * 2^(31 + e)) >> (32 + e)
 */
#ifndef EDGE_RELU_AVX2_H
#define EDGE_RELU_AVX2_H

#include <immintrin.h>
#include <stdint.h>

/* By the lanes with even numbers, and by those with odd ones in their places. */
typedef struct edge_relu_scale {
  __m256i multiplier, odd_multiplier, half, odd_half, shift, odd_shift;
} edge_relu_scale;

/* 2^by + (e > 0) * 2^(by + e) in 64 bits, for e in the even lanes. */
static inline __m256i edge_halves(__m256i e, const int by) {
  const __m256i first = _mm256_set1_epi64x(INT64_C(1) << by);
  const __m256i second = _mm256_sllv_epi64(first, e);
  return _mm256_add_epi64(first, _mm256_andnot_si256(_mm256_cmpeq_epi64(e, _mm256_setzero_si256()), second));
}

/* multiplier: [0, 2^31); right: [0, 31]. */
static inline edge_relu_scale edge_relu_scale_of(__m256i multiplier, __m256i right) {
  const __m256i doubled = _mm256_add_epi32(multiplier, multiplier);
  const __m256i even = _mm256_and_si256(right, _mm256_set1_epi64x(0xffffffff)), odd = _mm256_srli_epi64(right, 32);
  const edge_relu_scale s = {doubled,
                             _mm256_srli_epi64(doubled, 32),
                             edge_halves(even, 31),
                             edge_halves(odd, 31),
                             _mm256_add_epi64(even, _mm256_set1_epi64x(32)),
                             odd};
  return s;
}

static inline __m256i edge_relu(__m256i sums, const edge_relu_scale *s) {
  const __m256i x = _mm256_max_epi32(sums, _mm256_setzero_si256());
  const __m256i even = _mm256_add_epi64(_mm256_mul_epu32(x, s->multiplier), s->half);
  const __m256i odd = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), s->odd_multiplier), s->odd_half);
  return _mm256_blend_epi32(_mm256_srlv_epi64(even, s->shift), _mm256_srlv_epi64(odd, s->odd_shift), 0xaa);
}

#endif
