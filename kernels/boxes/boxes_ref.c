/* Boxes, the truth and the only form. */
#include "boxes.h"

#include "../common/math_f64.h"

/* One axis. Infinities and NaN go through as they are. */
static void decode(float centre, float size, double centre_scale, double size_scale, float anchor, float anchor_size,
                   float *low, float *high) {
  const float middle = (float)((double)centre / centre_scale * (double)anchor_size + (double)anchor);
  const float half = (float)(0.5 * edge_exp((double)size / size_scale) * (double)anchor_size);
  *low = middle - half;
  *high = middle + half;
}

void edge_f32_decode_boxes__ref(const edge_boxes_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input);
  const float *anchors = (const float *)(const void *)(base + d->anchors);
  float *output = (float *)(void *)(base + d->output);
  for (size_t i = d->begin; i < d->end; i++) {
    const float *x = input + i * d->columns, *anchor = anchors + i * 4;
    float *y = output + i * 4;
    decode(x[0], x[2], d->y_scale, d->h_scale, anchor[0], anchor[2], y, y + 2);
    decode(x[1], x[3], d->x_scale, d->w_scale, anchor[1], anchor[3], y + 1, y + 3);
  }
}
