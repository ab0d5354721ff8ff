/* Depthwise convolution, the truth. int32 sums wrap, so that hostile values are defined too. */
#include "depthwise_conv2d.h"

#include "../common/fixed_point.h"

/* Packed: bias, multiplier, shift i32[output_c] each, then the filter as it is. */
size_t edge_qs8_depthwise_conv2d_packed_bytes__ref(const edge_dw_desc *d) {
  return (size_t)d->output_c * (12u + edge_dw_taps(d));
}

size_t edge_f32_depthwise_conv2d_packed_bytes__ref(const edge_dw_desc *d) {
  return (size_t)d->output_c * 4u * (1u + edge_dw_taps(d));
}

void edge_qs8_depthwise_conv2d_pack__ref(const edge_dw_desc *d, const uint8_t *base, void *packed) {
  const size_t words = (size_t)d->output_c * 4u;
  uint8_t *to = packed;
  if (d->bias != 0) {
    __builtin_memcpy(to, base + d->bias, words);
  } else {
    __builtin_memset(to, 0, words);
  }
  __builtin_memcpy(to + words, base + d->multiplier, words);
  __builtin_memcpy(to + 2u * words, base + d->shift, words);
  __builtin_memcpy(to + 3u * words, base + d->filter, (size_t)d->output_c * edge_dw_taps(d));
}

/* Packed: bias f32[output_c], then the filter as it is. */
void edge_f32_depthwise_conv2d_pack__ref(const edge_dw_desc *d, const uint8_t *base, void *packed) {
  const size_t words = (size_t)d->output_c * 4u;
  uint8_t *to = packed;
  if (d->bias != 0) {
    __builtin_memcpy(to, base + d->bias, words);
  } else {
    __builtin_memset(to, 0, words);
  }
  __builtin_memcpy(to + words, base + d->filter, words * edge_dw_taps(d));
}

/* One output pixel: where it is, and what it reads. */
typedef struct pixel {
  uint32_t batch;
  int64_t top, left;
} pixel;

static pixel pixel_of(const edge_dw_desc *d, uint32_t row, uint32_t x) {
  const pixel p = {row / d->output_h, (int64_t)(row % d->output_h) * d->stride_h - d->pad_top,
                   (int64_t)x * d->stride_w - d->pad_left};
  return p;
}

/* Index of channel 0 of the pixel under tap (ky, kx), or -1 outside the image. */
static int64_t input_index(const edge_dw_desc *d, pixel p, uint32_t ky, uint32_t kx) {
  const int64_t y = p.top + (int64_t)ky * d->dilation_h, x = p.left + (int64_t)kx * d->dilation_w;
  if (y < 0 || y >= d->input_h || x < 0 || x >= d->input_w) return -1;
  return (((int64_t)p.batch * d->input_h + y) * d->input_w + x) * d->input_c;
}

static int32_t sum_s8(const edge_dw_desc *d, const int8_t *input, const int8_t *filter, pixel p, uint32_t c) {
  const uint32_t input_channel = c / (d->output_c / d->input_c);
  uint32_t sum = 0;
  for (uint32_t ky = 0; ky < d->filter_h; ky++) {
    for (uint32_t kx = 0; kx < d->filter_w; kx++) {
      const int64_t at = input_index(d, p, ky, kx);
      if (at < 0) continue;
      const int32_t weight = filter[((size_t)ky * d->filter_w + kx) * d->output_c + c] - d->filter_zero_point;
      sum += (uint32_t)((input[at + input_channel] - d->input_zero_point) * weight);
    }
  }
  return (int32_t)sum;
}

void edge_qs8_depthwise_conv2d__ref(const edge_dw_desc *d, uint8_t *base, const void *packed) {
  const int8_t *input = (const int8_t *)(base + d->input);
  const int32_t *bias = packed, *multiplier = bias + d->output_c, *shift = multiplier + d->output_c;
  const int8_t *filter = (const int8_t *)(shift + d->output_c);
  for (uint32_t row = d->begin; row < d->end; row++) {
    int8_t *output = (int8_t *)(base + d->output) + (size_t)row * d->output_w * d->output_c;
    for (uint32_t x = 0; x < d->output_w; x++) {
      const pixel p = pixel_of(d, row, x);
      for (uint32_t c = 0; c < d->output_c; c++) {
        const int32_t sum = (int32_t)((uint32_t)bias[c] + (uint32_t)sum_s8(d, input, filter, p, c));
        *output++ = edge_requantize_s8(sum, multiplier[c], shift[c], d->output_zero_point, d->act_min.i, d->act_max.i);
      }
    }
  }
}

static float sum_f32(const edge_dw_desc *d, const float *input, const float *filter, pixel p, uint32_t c) {
  const uint32_t input_channel = c / (d->output_c / d->input_c);
  float sum = 0.0f;
  for (uint32_t ky = 0; ky < d->filter_h; ky++) {
    for (uint32_t kx = 0; kx < d->filter_w; kx++) {
      const int64_t at = input_index(d, p, ky, kx);
      if (at < 0) continue;
      sum += input[at + input_channel] * filter[((size_t)ky * d->filter_w + kx) * d->output_c + c];
    }
  }
  return sum;
}

void edge_f32_depthwise_conv2d__ref(const edge_dw_desc *d, uint8_t *base, const void *packed) {
  const float *input = (const float *)(const void *)(base + d->input);
  const float *bias = packed, *filter = bias + d->output_c;
  for (uint32_t row = d->begin; row < d->end; row++) {
    float *output = (float *)(void *)(base + d->output) + (size_t)row * d->output_w * d->output_c;
    for (uint32_t x = 0; x < d->output_w; x++) {
      const pixel p = pixel_of(d, row, x);
      for (uint32_t c = 0; c < d->output_c; c++) {
        *output++ = edge_clamp_f32(sum_f32(d, input, filter, p, c) + bias[c], d->act_min.f, d->act_max.f);
      }
    }
  }
}
