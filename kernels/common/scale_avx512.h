/* edge_mbqm by 16 lanes in AVX-512, in the fastest form that is right, and its results as int8.
 *
 * P = x * multiplier, e = `right`. Without a left shift the two roundings of edge_mbqm are one for x >= 0,
 *
 *     (P + 2^30 + (e > 0) * 2^(30 + e)) >> (31 + e)
 *
 * and where act_min is not below the zero point (RELU) a negative x may be any negative number. SIGNED needs |x| below
 * 2^30 and e > 0; MBQM takes everything.
 */
#ifndef EDGE_SCALE_AVX512_H
#define EDGE_SCALE_AVX512_H

#include <immintrin.h>
#include <stdint.h>

enum { EDGE_SCALE_MBQM, EDGE_SCALE_SIGNED, EDGE_SCALE_RELU, EDGE_SCALE_FORMS };

#define EDGE_SCALE_INLINE static inline __attribute__((always_inline))

/* By the lanes with even numbers, and by those with odd ones, in the places of the even ones. */
typedef struct edge_scale512 {
  __m512i multiplier, odd_multiplier;
  __m512i half, odd_half;
  __m512i shift, odd_shift;      /* RELU: of 64 bits; else `shift` is by lane */
  __m512i left, mask, threshold; /* MBQM */
} edge_scale512;

/* 2^30 + (e > 0) * 2^(30 + e) in 64 bits, for e in the even lanes. */
EDGE_SCALE_INLINE __m512i edge_halves512(__m512i e) {
  const __m512i first = _mm512_set1_epi64(INT64_C(1) << 30);
  return _mm512_mask_add_epi64(first, _mm512_test_epi64_mask(e, e), first, _mm512_sllv_epi64(first, e));
}

/* multiplier: [0, 2^31); left: [0, 30]; right: [0, 31]. */
EDGE_SCALE_INLINE edge_scale512 edge_scale512_of(__m512i multiplier, __m512i left, __m512i right, const int form) {
  const __m512i even = _mm512_and_si512(right, _mm512_set1_epi64(0xffffffff)), odd = _mm512_srli_epi64(right, 32);
  edge_scale512 s;
  s.multiplier = multiplier;
  s.odd_multiplier = _mm512_srli_epi64(multiplier, 32);
  s.shift = right;
  if (form == EDGE_SCALE_MBQM) {
    s.half = s.odd_half = _mm512_set1_epi64(INT64_C(1) << 30);
    s.left = left;
    s.mask = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right), _mm512_set1_epi32(1));
    s.threshold = _mm512_srli_epi32(s.mask, 1);
    return s;
  }
  s.half = edge_halves512(even);
  s.odd_half = edge_halves512(odd);
  if (form == EDGE_SCALE_RELU) {
    s.shift = _mm512_add_epi64(even, _mm512_set1_epi64(31));
    s.odd_shift = _mm512_add_epi64(odd, _mm512_set1_epi64(31));
  }
  return s;
}

/* The second rounding of MBQM is RoundingDivideByPOT, which cannot overflow: add 1 where the bits shifted out are more
 * than half, or half and the value is not negative. */
EDGE_SCALE_INLINE __m512i edge_scale512_apply(__m512i acc, const edge_scale512 *s, const int form) {
  const __m512i x = form == EDGE_SCALE_MBQM ? _mm512_sllv_epi32(acc, s->left) : acc;
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, s->multiplier), s->half);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), s->odd_multiplier), s->odd_half);
  if (form == EDGE_SCALE_RELU) {
    return _mm512_mask_shuffle_epi32(_mm512_srav_epi64(even, s->shift), 0xaaaa, _mm512_srav_epi64(odd, s->odd_shift),
                                     _MM_PERM_CCAA);
  }
  const __m512i high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
  if (form == EDGE_SCALE_SIGNED) return _mm512_srav_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(acc, 31)), s->shift);
  const __m512i threshold = _mm512_sub_epi32(s->threshold, _mm512_srai_epi32(high, 31));
  const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(high, s->mask), threshold);
  const __m512i shifted = _mm512_srav_epi32(high, s->shift);
  return _mm512_mask_add_epi32(shifted, up, shifted, _mm512_set1_epi32(1));
}

/* What is the same for all channels. */
typedef struct edge_limits512 {
  __m512i zero_point, low, high; /* int16, int8, int8 */
} edge_limits512;

EDGE_SCALE_INLINE edge_limits512 edge_limits512_of(int32_t zero_point, int32_t low, int32_t high) {
  const edge_limits512 l = {_mm512_set1_epi16((int16_t)zero_point), _mm512_set1_epi8((char)low),
                            _mm512_set1_epi8((char)high)};
  return l;
}

/* Four registers of int32 as int8, with the zero point, clamped: in each 128 bits four of a, of b, of c, of d.
 * Saturation on the way never hides what the clamp would change. */
EDGE_SCALE_INLINE __m512i edge_narrow512(__m512i a, __m512i b, __m512i c, __m512i d, const edge_limits512 *l) {
  const __m512i first = _mm512_adds_epi16(_mm512_packs_epi32(a, b), l->zero_point);
  const __m512i second = _mm512_adds_epi16(_mm512_packs_epi32(c, d), l->zero_point);
  return _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(first, second), l->low), l->high);
}

#endif
