/* Convolution over lines: instead of a row of the panel for each output pixel, the lines of the image that the filter
 * touches are copied once, with their padding, and a row of the matrix A is where the window lies in them:
 *
 *     line 0   . x x x x x x x x .          a pixel's segment ky: filter_w * input_c elements of line ky,
 *     line 1   . x x x x x x x x .          stride_w * input_c further for each pixel
 *     line 2   . x x x x x x x x .
 *     outside  . . . . . . . . . .          the line of the input zero point, for lines above and below the image
 *
 * An image line keeps its slot, its number modulo filter_h, until no window reaches it. Everything outside is written
 * once: padding is the same for all lines. A segment is padded to k_step with what follows; those weights are 0.
 */
#include "conv2d_lines.h"

#include "../common/check.h"

/* Windows have no more lines than this, and all lines fit the first cache levels. */
#define MAX_LINES 16u
#define MAX_BYTES 65536u
/* What may be read behind the last segment of a line, elements: no k_step is larger. */
#define BEHIND 16u

/* Pixels of a line with its padding: up to the end of the last window. */
static uint64_t line_pixels(const edge_conv2d_desc *d) {
  const uint64_t windows = (uint64_t)(d->output_w - 1u) * d->stride_w + d->filter_w,
                 image = (uint64_t)d->pad_left + d->input_w;
  return windows > image ? windows : image;
}

static uint64_t line_bytes(const edge_conv2d_desc *d, uint64_t element) {
  const uint64_t elements = edge_add(edge_mul(line_pixels(d), d->input_c), BEHIND);
  return edge_add(edge_mul(elements, element), 63u) / 64u * 64u;
}

/* Windows of one pixel copy nothing twice; dilated ones have no runs. */
static int has_lines(const edge_conv2d_desc *d) {
  return d->filter_h * (uint64_t)d->filter_w > 1 && d->filter_h <= MAX_LINES && d->dilation_h == 1 &&
         d->dilation_w == 1;
}

static uint64_t all_bytes(const edge_conv2d_desc *d, int is_float) {
  if (!has_lines(d)) return 0;
  const uint64_t bytes = edge_mul(d->filter_h + 1u, line_bytes(d, is_float ? 4u : 2u));
  return bytes <= MAX_BYTES ? bytes : 0;
}

uint64_t edge_conv2d_lines_bytes(const edge_conv2d_desc *d, int is_float) {
  return is_float || d->filter_zero_point == 0 ? all_bytes(d, is_float) : 0;
}

size_t edge_conv2d_lines_scratch(const edge_conv2d_desc *d, int is_float) { return (size_t)all_bytes(d, is_float); }

int edge_conv2d_over_lines(const edge_conv2d_desc *d, const edge_gemm *g) {
  if (!g->segmented || all_bytes(d, g->panel == EDGE_PANEL_F32) == 0) return 0;
  if (d->filter_zero_point != 0 && !g->sums_any_count) return 0;
  const uint64_t k = (uint64_t)d->filter_w * d->input_c, padded = edge_gemm_padded_k(g, 1, (uint32_t)k);
  /* Tiles of less than mr rows are slow: at the end of a line there are as many as here. */
  const uint32_t left = d->output_w % g->mr, least = g->least_rows != 0 ? g->least_rows : 4u * g->mr;
  return 2u * padded <= 3u * k && (left == 0 || d->output_w >= least);
}

typedef struct lines {
  const edge_conv2d_desc *d;
  const edge_gemm *g;
  uint8_t *base;
  size_t line, pixel; /* bytes in the lines */
  size_t source_line, source_image;
  int64_t held[MAX_LINES]; /* the image line in each slot, counted over all images; -1: none */
} lines;

static lines lines_of(const edge_conv2d_desc *d, const edge_gemm *g, uint8_t *base) {
  const size_t element = edge_gemm_panel_element(g), source = g->panel == EDGE_PANEL_F32 ? 4u : 1u;
  lines l = {.d = d, .g = g, .base = base};
  l.line = (size_t)line_bytes(d, element);
  l.pixel = d->input_c * element;
  l.source_line = (size_t)d->input_w * d->input_c * source;
  l.source_image = d->input_h * l.source_line;
  for (uint32_t i = 0; i < MAX_LINES; i++) l.held[i] = -1;
  for (uint32_t i = 0; i <= d->filter_h; i++) {
    edge_gemm_fill(g, base + i * l.line, d->input_zero_point, (uint32_t)(l.line / element));
  }
  return l;
}

/* Where line y of an image lies, copied if it is not there yet. */
static size_t find_line(lines *l, const uint8_t *input, uint32_t image, int64_t y) {
  const edge_conv2d_desc *d = l->d;
  if (y < 0 || y >= d->input_h) return d->filter_h * l->line;
  const uint32_t slot = (uint32_t)(y % d->filter_h);
  const int64_t number = (int64_t)image * d->input_h + y;
  if (l->held[slot] != number) {
    l->held[slot] = number;
    l->g->copy(l->base + slot * l->line + d->pad_left * l->pixel, 0,
               input + image * l->source_image + (size_t)y * l->source_line, 0, 1, d->input_w * d->input_c);
  }
  return slot * l->line;
}

void edge_conv2d_run_lines(const edge_conv2d_desc *d, const edge_gemm *g, uint8_t *base, const void *packed,
                           uint8_t *scratch, edge_conv2d_pixels part, uint32_t begin, uint32_t end) {
  lines l = lines_of(d, g, scratch);
  size_t segment[MAX_LINES];
  edge_gemm_task task = edge_gemm_begin_segments(g, g->panel == EDGE_PANEL_F32 ? EDGE_GEMM_F32 : EDGE_GEMM_MBQM,
                                                 d->output_c, d->filter_h, d->filter_w * d->input_c);
  task.segment = segment;
  task.panel_stride = d->stride_w * l.pixel;
  task.zero_point = d->output_zero_point;
  task.act_min = d->act_min;
  task.act_max = d->act_max;
  edge_gemm_set_zero_points(g, &task, d->filter_h * d->filter_w * d->input_c, d->input_zero_point,
                            d->filter_zero_point);
  for (uint32_t row = part.begin; row < part.end;) {
    const uint32_t line = row / d->output_w, x = row % d->output_w;
    const uint32_t count = part.end - row < d->output_w - x ? part.end - row : d->output_w - x;
    const int64_t top = (int64_t)(line % d->output_h) * d->stride_h - d->pad_top;
    for (uint32_t ky = 0; ky < d->filter_h; ky++) {
      segment[ky] = find_line(&l, base + d->input, line / d->output_h, top + ky);
    }
    edge_gemm_run(g, &task, scratch + x * task.panel_stride, count, packed, begin, end,
                  base + d->output + row * task.output_stride);
    row += count;
  }
}
