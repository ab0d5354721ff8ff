/* The truth for conv2d: one output at a time, nothing packed.
 *
 * TFLite: internal/reference/integer_ops/conv.h, ConvPerChannel, and internal/reference/conv.h.
 */
#include "conv2d.h"

#include "../common/fixed_point.h"

typedef struct pixel {
  uint32_t batch;
  uint32_t y;
  uint32_t x;
} pixel;

static pixel pixel_of(const edge_conv2d_desc *d, uint32_t row) {
  const uint32_t line = row / d->output_w;
  pixel p = {line / d->output_h, line % d->output_h, row % d->output_w};
  return p;
}

/* Index of input[batch, y, x, 0] under tap (fy, fx) of output pixel p, or -1 in the padding. */
static int64_t input_index(const edge_conv2d_desc *d, pixel p, uint32_t fy, uint32_t fx) {
  const int64_t y = (int64_t)p.y * d->stride_h - d->pad_top + (int64_t)fy * d->dilation_h;
  const int64_t x = (int64_t)p.x * d->stride_w - d->pad_left + (int64_t)fx * d->dilation_w;
  if (y < 0 || y >= d->input_h || x < 0 || x >= d->input_w) return -1;
  return (((int64_t)p.batch * d->input_h + y) * d->input_w + x) * d->input_c;
}

static size_t filter_index(const edge_conv2d_desc *d, uint32_t channel, uint32_t fy, uint32_t fx) {
  return (((size_t)channel * d->filter_h + fy) * d->filter_w + fx) * d->input_c;
}

/* The pixels and channels of a call. */
typedef struct part {
  uint32_t pixel_begin, pixel_end, begin, end;
} part;

static part part_of(const edge_conv2d_desc *d) {
  const part pixels = {d->begin, d->end, 0, d->output_c};
  const part columns = {0, d->batch * d->output_h * d->output_w, d->begin, d->end};
  return d->by_columns ? columns : pixels;
}

/* The sum is modulo 2^32, as that of every fast form. */
static int32_t sum_s8(const edge_conv2d_desc *d, const uint8_t *base, pixel p, uint32_t channel) {
  const int8_t *input = (const int8_t *)base + d->input, *filter = (const int8_t *)base + d->filter;
  uint32_t sum = d->bias != 0 ? ((const uint32_t *)(const void *)(base + d->bias))[channel] : 0;
  for (uint32_t fy = 0; fy < d->filter_h; fy++) {
    for (uint32_t fx = 0; fx < d->filter_w; fx++) {
      const int64_t at = input_index(d, p, fy, fx);
      if (at < 0) continue;
      const int8_t *w = filter + filter_index(d, channel, fy, fx);
      for (uint32_t c = 0; c < d->input_c; c++) {
        sum += (uint32_t)((input[at + c] - d->input_zero_point) * (w[c] - d->filter_zero_point));
      }
    }
  }
  return (int32_t)sum;
}

void edge_qs8_conv2d_ref(const edge_conv2d_desc *d, uint8_t *base) {
  const int32_t *multiplier = (const int32_t *)(const void *)(base + d->multiplier);
  const int32_t *shift = (const int32_t *)(const void *)(base + d->shift);
  int8_t *output = (int8_t *)base + d->output;
  const part p = part_of(d);
  for (uint32_t row = p.pixel_begin; row < p.pixel_end; row++) {
    for (uint32_t n = p.begin; n < p.end; n++) {
      const int32_t acc = sum_s8(d, base, pixel_of(d, row), n);
      output[(size_t)row * d->output_c + n] =
          edge_requantize_s8(acc, multiplier[n], shift[n], d->output_zero_point, d->act_min.i, d->act_max.i);
    }
  }
}

static float sum_f32(const edge_conv2d_desc *d, const uint8_t *base, pixel p, uint32_t channel) {
  const float *input = (const float *)(const void *)(base + d->input);
  const float *filter = (const float *)(const void *)(base + d->filter);
  float sum = d->bias != 0 ? ((const float *)(const void *)(base + d->bias))[channel] : 0.0f;
  for (uint32_t fy = 0; fy < d->filter_h; fy++) {
    for (uint32_t fx = 0; fx < d->filter_w; fx++) {
      const int64_t at = input_index(d, p, fy, fx);
      if (at < 0) continue;
      const float *w = filter + filter_index(d, channel, fy, fx);
      for (uint32_t c = 0; c < d->input_c; c++) sum += input[at + c] * w[c];
    }
  }
  return sum;
}

void edge_f32_conv2d_ref(const edge_conv2d_desc *d, uint8_t *base) {
  float *output = (float *)(void *)(base + d->output);
  const part p = part_of(d);
  for (uint32_t row = p.pixel_begin; row < p.pixel_end; row++) {
    for (uint32_t n = p.begin; n < p.end; n++) {
      const float sum = sum_f32(d, base, pixel_of(d, row), n);
      output[(size_t)row * d->output_c + n] = edge_clamp_f32(sum, d->act_min.f, d->act_max.f);
    }
  }
}
