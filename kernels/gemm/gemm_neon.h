/* What the two NEON variants share: copying runs, and from int32 sums to int8 outputs. */
#ifndef EDGE_GEMM_NEON_H
#define EDGE_GEMM_NEON_H

#include <arm_neon.h>

#include "gemm_tile.h"

#define NR 8

EDGE_INLINE int32x4_t edge_words(const uint8_t *tile, uint32_t word, int half) {
  return vld1q_s32(edge_tile_words(tile, word, NR) + 4 * half);
}

/* edge_mbqm by lane: sqrdmulh is its first rounding; srshl by a negative count rounds halves up, so a negative value
 * that is shifted is first made one less. No step saturates: the multiplier is not negative. */
EDGE_INLINE int32x4_t edge_mbqm_x4(int32x4_t acc, const uint8_t *tile, int half) {
  const int32x4_t x = vshlq_s32(acc, edge_words(tile, EDGE_TILE_LEFT, half));
  const int32x4_t high = vqrdmulhq_s32(x, edge_words(tile, EDGE_TILE_MULTIPLIER, half));
  const int32x4_t sign = vandq_s32(vshrq_n_s32(high, 31), edge_words(tile, EDGE_TILE_SIGN, half));
  return vrshlq_s32(vaddq_s32(high, sign), vnegq_s32(edge_words(tile, EDGE_TILE_RIGHT, half)));
}

EDGE_INLINE int32x2_t edge_round_f64_x2(const edge_gemm_task *task, int32x2_t acc, const double *scale) {
  const float64x2_t low = vdupq_n_f64(task->act_min.i - task->zero_point);
  const float64x2_t high = vdupq_n_f64(task->act_max.i - task->zero_point);
  const float64x2_t x = vmulq_f64(vcvtq_f64_s64(vmovl_s32(acc)), vld1q_f64(scale));
  return vmovn_s64(vcvtaq_s64_f64(vminq_f64(vmaxq_f64(x, low), high))); /* fcvtas: halves away from zero */
}

EDGE_INLINE int32x4_t edge_requantize_x4(const edge_gemm_task *task, int32x4_t acc, const uint8_t *tile, int half,
                                         const int f64) {
  if (!f64) return edge_mbqm_x4(acc, tile, half);
  const double *scale = (const double *)(const void *)edge_tile_words(tile, EDGE_TILE_SCALE, NR) + 4 * half;
  return vcombine_s32(edge_round_f64_x2(task, vget_low_s32(acc), scale),
                      edge_round_f64_x2(task, vget_high_s32(acc), scale + 2));
}

/* The sums of mr rows to outputs. Saturation on the way never hides what the clamp would change. */
EDGE_INLINE void edge_store_tile_s8(const edge_gemm_task *task, int32x4_t acc[8][2], const uint8_t *tile,
                                    int8_t *output, const int mr, const int f64) {
  EDGE_UNROLL for (int r = 0; r < mr; r++) {
    const int16x8_t y = vcombine_s16(vqmovn_s32(edge_requantize_x4(task, acc[r][0], tile, 0, f64)),
                                     vqmovn_s32(edge_requantize_x4(task, acc[r][1], tile, 1, f64)));
    const int8x8_t bytes = vqmovn_s16(vqaddq_s16(y, vdupq_n_s16((int16_t)task->zero_point)));
    const int8x8_t least = vmax_s8(bytes, vdup_n_s8((int8_t)task->act_min.i));
    vst1_s8(output + r * task->output_stride, vmin_s8(least, vdup_n_s8((int8_t)task->act_max.i)));
  }
}

#endif
