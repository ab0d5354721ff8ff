/* Convolution of int16 by int8: one output at a time.
 *
 * TFLite: internal/reference/integer_ops/conv.h with a 64-bit accumulator, common.h MultiplyByQuantizedMultiplier for
 * int64, and integer_ops/fully_connected.h, which rounds a float64 product.
 */
#include "../common/math_f64.h"
#include "conv16.h"

/* Products whose sum fits 32 bits: |x * w| <= 2^22. */
#define BLOCK 256u

static int64_t dot(const int16_t *x, const int8_t *w, uint32_t count) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < count; i += BLOCK) {
    const uint32_t n = count - i < BLOCK ? count - i : BLOCK;
    int32_t part = 0;
    for (uint32_t j = 0; j < n; j++) part += x[i + j] * w[i + j];
    sum += part;
  }
  return sum;
}

typedef struct window {
  int64_t top, left; /* of the first tap, in the image */
  const int16_t *image;
} window;

static window window_of(const edge_conv16_desc *d, const uint8_t *base, uint32_t row) {
  const uint32_t line = row / d->output_w, batch = line / d->output_h;
  const window w = {
      (int64_t)(line % d->output_h) * d->stride_h - d->pad_top,
      (int64_t)(row % d->output_w) * d->stride_w - d->pad_left,
      (const int16_t *)(const void *)(base + d->input) + (size_t)batch * d->input_h * d->input_w * d->input_c};
  return w;
}

/* Modulo 2^64. */
static uint64_t sum_of(const edge_conv16_desc *d, const uint8_t *base, const window *at, uint32_t n) {
  const uint32_t part = d->input_c / d->groups, group = n / (d->output_c / d->groups);
  const int8_t *w = (const int8_t *)base + d->filter + (size_t)n * d->filter_h * d->filter_w * part;
  uint64_t sum = d->bias != 0 ? ((const uint64_t *)(const void *)(base + d->bias))[n] : 0;
  for (uint32_t fy = 0; fy < d->filter_h; fy++) {
    const int64_t y = at->top + (int64_t)fy * d->dilation_h;
    for (uint32_t fx = 0; fx < d->filter_w; fx++, w += part) {
      const int64_t x = at->left + (int64_t)fx * d->dilation_w;
      if (y < 0 || y >= d->input_h || x < 0 || x >= d->input_w) continue;
      const size_t pixel = (size_t)y * d->input_w + (size_t)x;
      sum += (uint64_t)dot(at->image + pixel * d->input_c + (size_t)group * part, w, part);
    }
  }
  return sum;
}

/* An arithmetic shift right, by at most 63. */
static int64_t shifted(uint64_t x, uint32_t count) { return (int64_t)x >> count; }

/* The guest may change both arrays at any time, so they are bounded here. */
static int64_t by_multiplier(uint64_t sum, int32_t multiplier, int32_t shift) {
  const uint64_t reduced = multiplier < 0x7fff0000 ? (uint64_t)(((int64_t)multiplier + (1 << 15)) >> 16) : 0x7fff;
  const uint32_t right = (uint32_t)(15 - (shift < -31 ? -31 : (shift > 14 ? 14 : shift)));
  return shifted(sum * reduced + (UINT64_C(1) << (right - 1u)), right);
}

static int64_t by_scale(uint64_t sum, double scale) {
  const double real = (double)(int64_t)sum * scale;
  if (!(real > -65536.0)) return -65536; /* a NaN too */
  if (real > 65536.0) return 65536;
  const int64_t whole = (int64_t)real;
  const double rest = real - (double)whole; /* exact */
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

static int16_t output_of(const edge_conv16_desc *d, const uint8_t *base, uint64_t sum, uint32_t n) {
  const int64_t y = d->scale != 0 ? by_scale(sum, ((const double *)(const void *)(base + d->scale))[n])
                                  : by_multiplier(sum, ((const int32_t *)(const void *)(base + d->multiplier))[n],
                                                  ((const int32_t *)(const void *)(base + d->shift))[n]);
  return (int16_t)(y < d->act_min ? d->act_min : (y > d->act_max ? d->act_max : y));
}

void edge_qs16_conv2d__ref(const edge_conv16_desc *d, uint8_t *base) {
  int16_t *output = (int16_t *)(void *)(base + d->output) + (size_t)d->begin * d->output_c;
  for (uint32_t row = d->begin; row < d->end; row++) {
    const window at = window_of(d, base, row);
    for (uint32_t n = 0; n < d->output_c; n++) *output++ = output_of(d, base, sum_of(d, base, &at, n), n);
  }
}
