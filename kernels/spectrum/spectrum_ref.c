/* Log power of real frames in bands.
 *
 * n real samples are n / 2 complex ones z[j] = x[2j] + i x[2j + 1]; their transform Z is untangled into the spectrum:
 *
 *     X[k] = E[k] + w^k O[k],   E[k] = (Z[k] + conj Z[m - k]) / 2,   O[k] = (Z[k] - conj Z[m - k]) / 2i
 *
 * with m = n / 2 and w = e^(-2 pi i / n). The complex transform is Stockham's, which sorts by itself: each pass reads
 * one array and writes another, `stride` transforms side by side, so that the inner loop runs along memory.
 */
#include "spectrum.h"

#include "../common/math_f32.h"

/* m real parts, then m imaginary parts. */
typedef struct complex_array {
  float *re, *im;
} complex_array;

typedef struct twiddle {
  float re, im;
} twiddle;

/* w^i for i < n; the table has the first half of the circle, and w^(i + n / 2) = -w^i. */
static inline twiddle twiddle_at(const float *table, uint32_t i, uint32_t half) {
  const float sign = i < half ? 1.0f : -1.0f;
  const uint32_t at = i < half ? i : i - half;
  const twiddle t = {sign * table[2u * at], sign * table[2u * at + 1u]};
  return t;
}

/* One pass of radix 4: each transform of 4 * quarter points becomes four of `quarter` points. */
static void pass_4(complex_array x, complex_array y, uint32_t quarter, uint32_t stride, const float *table,
                   uint32_t m) {
  for (uint32_t p = 0; p < quarter; p++) {
    const uint32_t step = 2u * stride * p;
    const twiddle w1 = twiddle_at(table, step, m), w2 = twiddle_at(table, 2u * step, m);
    const twiddle w3 = twiddle_at(table, 3u * step, m);
    const uint32_t from = stride * p, apart = stride * quarter, to = 4u * stride * p;
    for (uint32_t q = 0; q < stride; q++) {
      const uint32_t i = from + q, o = to + q;
      const float ar = x.re[i], ai = x.im[i], br = x.re[i + apart], bi = x.im[i + apart];
      const float cr = x.re[i + 2u * apart], ci = x.im[i + 2u * apart];
      const float dr = x.re[i + 3u * apart], di = x.im[i + 3u * apart];
      const float sum_r = ar + cr, sum_i = ai + ci, difference_r = ar - cr, difference_i = ai - ci;
      const float other_r = br + dr, other_i = bi + di;
      const float turned_r = bi - di, turned_i = dr - br; /* (b - d) times -i */
      const float e_r = difference_r + turned_r, e_i = difference_i + turned_i;
      const float f_r = sum_r - other_r, f_i = sum_i - other_i;
      const float g_r = difference_r - turned_r, g_i = difference_i - turned_i;
      y.re[o] = sum_r + other_r;
      y.im[o] = sum_i + other_i;
      y.re[o + stride] = e_r * w1.re - e_i * w1.im;
      y.im[o + stride] = e_r * w1.im + e_i * w1.re;
      y.re[o + 2u * stride] = f_r * w2.re - f_i * w2.im;
      y.im[o + 2u * stride] = f_r * w2.im + f_i * w2.re;
      y.re[o + 3u * stride] = g_r * w3.re - g_i * w3.im;
      y.im[o + 3u * stride] = g_r * w3.im + g_i * w3.re;
    }
  }
}

/* The last pass where m is no power of 4: radix 2, no factors. */
static void pass_2(complex_array x, complex_array y, uint32_t stride) {
  for (uint32_t q = 0; q < stride; q++) {
    y.re[q] = x.re[q] + x.re[q + stride];
    y.im[q] = x.im[q] + x.im[q + stride];
    y.re[q + stride] = x.re[q] - x.re[q + stride];
    y.im[q + stride] = x.im[q] - x.im[q + stride];
  }
}

/* Transforms m points of x; returns where the result is, x or y. */
static complex_array transform(complex_array x, complex_array y, uint32_t m, const float *table) {
  uint32_t stride = 1;
  for (; m / stride >= 4u; stride *= 4u) {
    pass_4(x, y, m / stride / 4u, stride, table, m);
    const complex_array swap = x;
    x = y;
    y = swap;
  }
  if (m / stride == 1u) return x;
  pass_2(x, y, stride);
  return y;
}

/* |X[k]|^2 for k = 0 .. m. */
static void untangle(complex_array z, uint32_t m, const float *table, float scale, float *power) {
  const float first = z.re[0] + z.im[0], last = z.re[0] - z.im[0];
  power[0] = first * first * scale;
  power[m] = last * last * scale;
  for (uint32_t k = 1; k < m; k++) {
    const float even_r = 0.5f * (z.re[k] + z.re[m - k]), even_i = 0.5f * (z.im[k] - z.im[m - k]);
    const float odd_r = 0.5f * (z.im[k] + z.im[m - k]), odd_i = 0.5f * (z.re[m - k] - z.re[k]);
    const float w_r = table[2u * k], w_i = table[2u * k + 1u];
    const float re = even_r + (odd_r * w_r - odd_i * w_i), im = even_i + (odd_r * w_i + odd_i * w_r);
    power[k] = (re * re + im * im) * scale;
  }
}

/* Windowed samples of one channel into z. */
static void load_frame(const edge_spectrum_desc *d, const float *input, const float *window, complex_array z) {
  double sum = 0.0;
  for (uint32_t i = 0; d->remove_mean != 0 && i < d->frame_size; i++) sum += (double)input[(size_t)i * d->channels];
  const float mean = (float)(sum / d->frame_size);
  for (uint32_t j = 0; j < d->frame_size / 2u; j++) {
    z.re[j] = (input[(size_t)(2u * j) * d->channels] - mean) * window[2u * j];
    z.im[j] = (input[(size_t)(2u * j + 1u) * d->channels] - mean) * window[2u * j + 1u];
  }
}

static void store_bands(const edge_spectrum_desc *d, const float *power, const uint32_t *edges, float *output) {
  for (uint32_t b = 0; b < d->bands; b++) {
    double sum = 0.0;
    for (uint32_t k = edges[b]; k < edges[b + 1u]; k++) sum += (double)power[k];
    const float band = (float)(sum / (edges[b + 1u] - edges[b]));
    output[b] = d->log != 0 ? edge_log10f(band < d->floor ? d->floor : band) : band;
  }
}

void edge_f32_spectrum__ref(const edge_spectrum_desc *d, uint8_t *base) {
  const uint32_t m = d->frame_size / 2u;
  const float *input = (const float *)(const void *)(base + d->input);
  const float *window = (const float *)(const void *)(base + d->window);
  const float *table = (const float *)(const void *)(base + d->twiddle);
  const uint32_t *edges = (const uint32_t *)(const void *)(base + d->edges);
  float *output = (float *)(void *)(base + d->output), *scratch = (float *)(void *)(base + d->scratch);
  const complex_array x = {scratch, scratch + m}, y = {scratch + 2u * m, scratch + 3u * m};
  float *power = scratch + 4u * m; /* m + 1 of 2 m */
  for (uint32_t row = d->begin; row < d->end; row++) {
    const uint32_t frame = row / d->channels, channel = row % d->channels;
    load_frame(d, input + (size_t)frame * d->frame_size * d->channels + channel, window, x);
    untangle(transform(x, y, m, table), m, table, d->power_scale, power);
    store_bands(d, power, edges, output + (size_t)row * d->bands);
  }
}
