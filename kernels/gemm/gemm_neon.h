/* What the two NEON variants share: copying runs, and from int32 sums to int8 outputs. */
#ifndef EDGE_GEMM_NEON_H
#define EDGE_GEMM_NEON_H

#include <arm_neon.h>

#include "gemm_tile.h"

#define NR 8

EDGE_INLINE int32x4_t edge_words(const uint8_t *tile, uint32_t word, int half) {
  return vld1q_s32(edge_tile_words(tile, word, NR) + 4 * half);
}

/* The sums of mr rows before the first product. */
EDGE_INLINE void edge_start_tile_s8(int32x4_t acc[8][2], const int32_t *terms, const uint8_t *tile, const int mr) {
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    acc[r][0] = edge_words(tile, EDGE_TILE_BIAS, 0);
    acc[r][1] = edge_words(tile, EDGE_TILE_BIAS, 1);
  }
  if (terms == NULL) return;
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const int32x4_t term = vdupq_n_s32(terms[r]);
    acc[r][0] = vaddq_s32(acc[r][0], term);
    acc[r][1] = vaddq_s32(acc[r][1], term);
  }
}

/* The constants of a tile's epilogue: loaded before the first store, which could alias them. */
typedef struct edge_finish {
  int32x4_t multiplier[2], left[2], minus_right[2], sign[2]; /* MBQM */
  float64x2_t scale[4], low, high;                           /* F64; the bounds are without the zero point */
  int16x8_t zero_point;
  int8x8_t act_min, act_max;
} edge_finish;

EDGE_INLINE edge_finish edge_finish_of(const edge_gemm_task *task, const uint8_t *tile, const int f64) {
  edge_finish f;
  f.zero_point = vdupq_n_s16((int16_t)task->zero_point);
  f.act_min = vdup_n_s8((int8_t)task->act_min.i);
  f.act_max = vdup_n_s8((int8_t)task->act_max.i);
  if (f64) {
    const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR);
    EDGE_UNROLL for (int i = 0; i < 4; i++) f.scale[i] = vld1q_f64(scale + 2 * i);
    f.low = vdupq_n_f64(task->act_min.i - task->zero_point);
    f.high = vdupq_n_f64(task->act_max.i - task->zero_point);
  } else {
    EDGE_UNROLL for (int half = 0; half < 2; half++) {
      f.multiplier[half] = edge_words(tile, EDGE_TILE_MULTIPLIER, half);
      f.left[half] = edge_words(tile, EDGE_TILE_LEFT, half);
      f.minus_right[half] = vnegq_s32(edge_words(tile, EDGE_TILE_RIGHT, half));
      f.sign[half] = edge_words(tile, EDGE_TILE_SIGN, half);
    }
  }
  return f;
}

/* edge_mbqm by lane: sqrdmulh is its first rounding; srshl by a negative count rounds halves up, so a negative value
 * that is shifted is first made one less. No step saturates: the multiplier is not negative. */
EDGE_INLINE int32x4_t edge_mbqm_x4(int32x4_t acc, const edge_finish *f, int half) {
  const int32x4_t high = vqrdmulhq_s32(vshlq_s32(acc, f->left[half]), f->multiplier[half]);
  const int32x4_t sign = vandq_s32(vshrq_n_s32(high, 31), f->sign[half]);
  return vrshlq_s32(vaddq_s32(high, sign), f->minus_right[half]);
}

EDGE_INLINE int32x2_t edge_round_f64_x2(int32x2_t acc, float64x2_t scale, const edge_finish *f) {
  const float64x2_t product = vmulq_f64(vcvtq_f64_s64(vmovl_s32(acc)), scale);
  const float64x2_t x = vminq_f64(vmaxq_f64(product, f->low), f->high);
  return vmovn_s64(vcvtaq_s64_f64(x)); /* fcvtas: halves away from zero */
}

EDGE_INLINE int32x4_t edge_requantize_x4(int32x4_t acc, const edge_finish *f, int half, const int f64) {
  if (!f64) return edge_mbqm_x4(acc, f, half);
  return vcombine_s32(edge_round_f64_x2(vget_low_s32(acc), f->scale[2 * half], f),
                      edge_round_f64_x2(vget_high_s32(acc), f->scale[2 * half + 1], f));
}

/* The sums of mr rows to outputs. Saturation on the way never hides what the clamp would change. */
EDGE_INLINE void edge_store_tile_s8(const edge_gemm_task *task, int32x4_t acc[8][2], const uint8_t *tile,
                                    int8_t *output, const int mr, const int f64) {
  const edge_finish f = edge_finish_of(task, tile, f64);
  const size_t stride = task->output_stride;
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const int16x8_t y = vcombine_s16(vqmovn_s32(edge_requantize_x4(acc[r][0], &f, 0, f64)),
                                     vqmovn_s32(edge_requantize_x4(acc[r][1], &f, 1, f64)));
    const int8x8_t bytes = vqmovn_s16(vqaddq_s16(y, f.zero_point));
    vst1_s8(output + r * stride, vmin_s8(vmax_s8(bytes, f.act_min), f.act_max));
  }
}

#endif
