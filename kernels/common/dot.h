/* Sums of products over contiguous elements, written so that every build's vectoriser takes them. */
#ifndef EDGE_DOT_H
#define EDGE_DOT_H

#include <stddef.h>
#include <stdint.h>

/* Eight partial sums, always joined in the same order: the same bits on every ISA. */
static inline float edge_dot_f32(const float *restrict a, const float *restrict b, size_t count) {
  float lanes[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t lane = 0; lane < 8; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (size_t lane = 0; i + lane < count; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* sum((x - zero_point) * w), modulo 2^32. zero_point: [-128, 127]; the cast tells that a 16-bit product will do. */
static inline uint32_t edge_dot_s8(const int8_t *restrict x, const int8_t *restrict w, size_t count,
                                   int32_t zero_point) {
  uint32_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += (uint32_t)((int16_t)(x[i] - zero_point) * w[i]);
  return sum;
}

#endif
