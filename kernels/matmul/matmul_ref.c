/* Products of two computed matrices: some columns of one row at a time, so that the inner loop runs along the rows of
 * y.
 *
 * TFLite: internal/reference/batch_matmul.h; fully_connected.h and integer_ops/fully_connected.h for computed weights.
 */
#include "matmul.h"

#include "../common/fixed_point.h"

#define COLUMNS 64u

/* Where row `row` of the output, and what it is made of, begin; in elements. */
typedef struct place {
  size_t x, y, output;
} place;

static place place_of(const edge_matmul_desc *d, uint32_t row) {
  const size_t batch = row / d->m, i = row % d->m;
  const place p = {((d->x_repeats != 0 ? 0 : batch) * d->m + i) * d->k, (d->y_repeats != 0 ? 0 : batch * d->k) * d->n,
                   (size_t)row * d->n};
  return p;
}

static uint32_t columns_from(const edge_matmul_desc *d, uint32_t j) { return d->n - j < COLUMNS ? d->n - j : COLUMNS; }

void edge_f32_matmul__ref(const edge_matmul_desc *d, uint8_t *base) {
  const float *bias = (const float *)(const void *)(base + d->bias);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const place p = place_of(d, row);
    const float *x = (const float *)(const void *)(base + d->x) + p.x;
    const float *y = (const float *)(const void *)(base + d->y) + p.y;
    float *output = (float *)(void *)(base + d->output) + p.output;
    for (uint32_t j = 0; j < d->n; j += COLUMNS) {
      const uint32_t count = columns_from(d, j);
      float sums[COLUMNS] = {0};
      for (uint32_t l = 0; l < d->k; l++) {
        const float *from = y + (size_t)l * d->n + j;
        for (uint32_t c = 0; c < count; c++) sums[c] += x[l] * from[c];
      }
      for (uint32_t c = 0; c < count; c++) {
        const float sum = d->bias != 0 ? sums[c] + bias[j + c] : sums[c];
        output[j + c] = edge_clamp_f32(sum, d->act_min.f, d->act_max.f);
      }
    }
  }
}

static int32_t round_f64(int32_t sum, double scale) {
  const double real = (double)sum * scale;
  if (!(real > -65536.0)) return -65536; /* a NaN too */
  if (real > 65536.0) return 65536;
  const int32_t whole = (int32_t)real;
  const double rest = real - (double)whole; /* exact */
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

static int8_t output_s8(const edge_matmul_desc *d, const uint8_t *base, int32_t sum) {
  if (d->scale == 0) {
    return edge_requantize_s8(sum, d->multiplier, d->shift, d->output_zero_point, d->act_min.i, d->act_max.i);
  }
  const int32_t y = round_f64(sum, *(const double *)(const void *)(base + d->scale)) + d->output_zero_point;
  return (int8_t)edge_clamp_s32(y, d->act_min.i, d->act_max.i);
}

void edge_qs8_matmul__ref(const edge_matmul_desc *d, uint8_t *base) {
  const uint32_t *bias = (const uint32_t *)(const void *)(base + d->bias);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const place p = place_of(d, row);
    const int8_t *x = (const int8_t *)base + d->x + p.x, *y = (const int8_t *)base + d->y + p.y;
    int8_t *output = (int8_t *)base + d->output + p.output;
    for (uint32_t j = 0; j < d->n; j += COLUMNS) {
      const uint32_t count = columns_from(d, j);
      uint32_t sums[COLUMNS] = {0};
      for (uint32_t l = 0; l < d->k; l++) {
        const int32_t a = x[l] - d->x_zero_point;
        const int8_t *from = y + (size_t)l * d->n + j;
        for (uint32_t c = 0; c < count; c++) sums[c] += (uint32_t)(a * (from[c] - d->y_zero_point));
      }
      for (uint32_t c = 0; c < count; c++) {
        output[j + c] = output_s8(d, base, (int32_t)(d->bias != 0 ? sums[c] + bias[j + c] : sums[c]));
      }
    }
  }
}

void edge_qs16_matmul__ref(const edge_matmul_desc *d, uint8_t *base) {
  const int64_t reduced = d->multiplier < 0x7fff0000 ? ((int64_t)d->multiplier + (1 << 15)) >> 16 : 0x7fff;
  const uint32_t right = (uint32_t)(15 - d->shift);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const place p = place_of(d, row);
    const int16_t *x = (const int16_t *)(const void *)(base + d->x) + p.x;
    const int16_t *y = (const int16_t *)(const void *)(base + d->y) + p.y;
    int16_t *output = (int16_t *)(void *)(base + d->output) + p.output;
    for (uint32_t j = 0; j < d->n; j += COLUMNS) {
      const uint32_t count = columns_from(d, j);
      int64_t sums[COLUMNS] = {0};
      for (uint32_t l = 0; l < d->k; l++) {
        const int16_t *from = y + (size_t)l * d->n + j;
        for (uint32_t c = 0; c < count; c++) sums[c] += x[l] * from[c];
      }
      for (uint32_t c = 0; c < count; c++) {
        const uint64_t product = (uint64_t)sums[c] * (uint64_t)reduced + (UINT64_C(1) << (right - 1u));
        const int64_t scaled = (int64_t)product >> right;
        output[j + c] =
            (int16_t)(scaled < d->act_min.i ? d->act_min.i : (scaled > d->act_max.i ? d->act_max.i : scaled));
      }
    }
  }
}
