/* conv2d_s8 and conv2d_f32: output pixels are gathered into the rows of a GEMM panel (im2col, a few rows at a time).
 *
 * One call of a variant's copy() gathers what lies inside the image of a whole window: a run of pixels for each line
 * of the filter. The rest of the row, the padding, is the zero point. Where windows overlap and lines are short,
 * conv2d_lines.c does without these copies.
 */
#include "conv2d.h"

#include "../common/check.h"
#include "../gemm/gemm.h"
#include "conv2d_lines.h"

static uint64_t depth(const edge_conv2d_desc *d) { return edge_mul(edge_mul(d->filter_h, d->filter_w), d->input_c); }

static uint64_t pixels(const edge_conv2d_desc *d) { return edge_mul(edge_mul(d->batch, d->output_h), d->output_w); }

static uint64_t rows(const void *desc) {
  const edge_conv2d_desc *d = desc;
  return d->by_columns ? d->output_c : pixels(d);
}

static uint64_t row_work(const void *desc) {
  const edge_conv2d_desc *d = desc;
  return edge_add(edge_mul(d->by_columns ? pixels(d) : d->output_c, depth(d)), EDGE_ROW_OVERHEAD);
}

/* ---- check ---- */

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, conv2d, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, conv2d, field, r.field, align, memory)

typedef struct regions {
  edge_region input, filter, bias, multiplier, shift, output, packed, scratch;
} regions;

static edge_status check_numbers(const edge_conv2d_desc *d, edge_kernel_id id, int is_float) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(input_h, RANGE, d->input_h >= 1);
  REQUIRE(input_w, RANGE, d->input_w >= 1);
  REQUIRE(input_c, RANGE, d->input_c >= 1);
  REQUIRE(output_c, RANGE, d->output_c >= 1);
  REQUIRE(filter_h, RANGE, edge_window_size_ok(d->filter_h));
  REQUIRE(filter_w, RANGE, edge_window_size_ok(d->filter_w));
  REQUIRE(stride_h, RANGE, edge_window_size_ok(d->stride_h));
  REQUIRE(stride_w, RANGE, edge_window_size_ok(d->stride_w));
  REQUIRE(dilation_h, RANGE, edge_window_size_ok(d->dilation_h));
  REQUIRE(dilation_w, RANGE, edge_window_size_ok(d->dilation_w));
  REQUIRE(pad_top, RANGE, d->pad_top < (uint64_t)d->filter_h * d->dilation_h);
  REQUIRE(pad_left, RANGE, d->pad_left < (uint64_t)d->filter_w * d->dilation_w);
  REQUIRE(output_h, RANGE, edge_windows_start_inside(d->input_h, d->output_h, d->stride_h, d->pad_top));
  REQUIRE(output_w, RANGE, edge_windows_start_inside(d->input_w, d->output_w, d->stride_w, d->pad_left));
  REQUIRE(by_columns, RANGE, d->by_columns <= 1);
  if (is_float) {
    REQUIRE(input_zero_point, RANGE, d->input_zero_point == 0);
    REQUIRE(output_zero_point, RANGE, d->output_zero_point == 0);
    REQUIRE(filter_zero_point, RANGE, d->filter_zero_point == 0);
    REQUIRE(act_min, RANGE, d->act_min.f <= d->act_max.f); /* false for a NaN */
  } else {
    REQUIRE(input_zero_point, RANGE, edge_zero_point_ok(d->input_zero_point));
    REQUIRE(output_zero_point, RANGE, edge_zero_point_ok(d->output_zero_point));
    REQUIRE(filter_zero_point, RANGE, edge_zero_point_ok(d->filter_zero_point));
    REQUIRE(act_min, RANGE, edge_s8_range_ok(d->act_min.i, d->act_max.i));
  }
  return 0;
}

static regions regions_of(const edge_conv2d_desc *d, int is_float) {
  const uint64_t element = is_float ? 4 : 1, n = d->output_c;
  const uint64_t input = edge_mul(edge_mul(edge_mul(d->batch, d->input_h), d->input_w), d->input_c);
  regions r = {
      .input = edge_region_of(d->input, edge_mul(input, element)),
      .filter = edge_region_of(d->filter, edge_mul(edge_mul(n, depth(d)), element)),
      .bias = edge_region_of(d->bias, d->bias != 0 ? n * 4u : 0),
      .multiplier = edge_region_of(d->multiplier, is_float ? 0 : n * 4u),
      .shift = edge_region_of(d->shift, is_float ? 0 : n * 4u),
      .output = edge_region_of(d->output, edge_mul(edge_mul(pixels(d), n), element)),
      .packed = edge_region_of(d->packed, d->packed_bytes),
      .scratch = edge_region_of(d->scratch, d->scratch_bytes),
  };
  return r;
}

static edge_status check_regions(const edge_conv2d_desc *d, edge_kernel_id id, int is_float,
                                 const edge_memory *memory) {
  const regions r = regions_of(d, is_float);
  const uint32_t element = is_float ? 4 : 1;
  REQUIRE_REGION(input, element);
  REQUIRE_REGION(filter, element);
  if (d->bias != 0) REQUIRE_REGION(bias, 4);
  if (is_float) {
    REQUIRE(multiplier, RANGE, d->multiplier == 0);
    REQUIRE(shift, RANGE, d->shift == 0);
  } else {
    REQUIRE_REGION(multiplier, 4);
    REQUIRE_REGION(shift, 4);
  }
  REQUIRE_REGION(output, element);
  REQUIRE_REGION(packed, EDGE_REGION_ALIGN);
  REQUIRE_REGION(scratch, EDGE_REGION_ALIGN);
  /* The filter is inside the memory by now, so neither of these sizes can overflow. */
  REQUIRE(packed_bytes, RANGE,
          d->packed_bytes >=
              edge_gemm_packed_bytes_needed(is_float, d->output_c, d->filter_h, edge_mul(d->filter_w, d->input_c)));
  REQUIRE(scratch_bytes, RANGE, d->scratch_bytes >= edge_gemm_scratch_bytes_needed(is_float, depth(d)));
  REQUIRE(scratch_bytes, RANGE, d->scratch_bytes >= edge_conv2d_lines_bytes(d, is_float));
  const edge_region others[] = {r.input, r.filter, r.bias, r.multiplier, r.shift, r.output, r.packed};
  REQUIRE(output, OVERLAP, edge_region_clear(r.output, others, 5));
  REQUIRE(packed, OVERLAP, edge_region_clear(r.packed, others, 6));
  REQUIRE(scratch, OVERLAP, edge_region_clear(r.scratch, others, 7));
  if (is_float) return 0;
  REQUIRE(multiplier, RANGE, edge_all_multipliers(memory, r.multiplier));
  REQUIRE(shift, RANGE, edge_all_in_range_s32(memory, r.shift, -31, 30));
  return 0;
}

static edge_status check(const edge_conv2d_desc *d, edge_kernel_id id, int is_float, const edge_memory *memory) {
  const edge_status status = check_numbers(d, id, is_float);
  return status != 0 ? status : check_regions(d, id, is_float, memory);
}

/* ---- pack ---- */

static void pack(const edge_conv2d_desc *d, const edge_gemm *g, const uint8_t *base, void *packed) {
  const int is_float = g->panel == EDGE_PANEL_F32, lines = edge_conv2d_over_lines(d, g);
  const edge_gemm_weights weights = {
      .epilogue = is_float ? EDGE_GEMM_F32 : EDGE_GEMM_MBQM,
      .n = d->output_c,
      .segments = lines ? d->filter_h : 1u,
      .k = lines ? d->filter_w * d->input_c : (uint32_t)depth(d),
      .filter = base + d->filter,
      .bias = d->bias != 0 ? base + d->bias : NULL,
      .multiplier = (const int32_t *)(const void *)(base + d->multiplier),
      .shift = (const int32_t *)(const void *)(base + d->shift),
      .input_zero_point = d->input_zero_point,
  };
  edge_gemm_pack(g, &weights, packed);
}

/* ---- run ---- */

/* Taps [begin, end) of one axis that lie inside the image, and the first one's place in the image. */
typedef struct span {
  uint32_t begin;
  uint32_t end;
  uint32_t first;
} span;

static uint32_t divide_up(int64_t x, uint32_t step) { return (uint32_t)(step == 1 ? x : (x + step - 1) / step); }

static span clip(int64_t start, uint32_t taps, uint32_t dilation, uint32_t size) {
  uint32_t begin = 0, end = taps;
  if (start < 0) begin = divide_up(-start, dilation);
  if (start + (int64_t)(taps - 1u) * dilation >= size) end = start < size ? divide_up(size - start, dilation) : 0;
  const span none = {0, 0, 0}, some = {begin, end, (uint32_t)(start + (int64_t)begin * dilation)};
  return begin < end ? some : none;
}

/* Output pixels in row order, and what does not change from one to the next. Sizes are in bytes. */
typedef struct gatherer {
  const edge_conv2d_desc *d;
  const edge_gemm *g;
  const uint8_t *image;            /* of the pixel's batch */
  size_t pixel, line;              /* of the input */
  size_t tap, tap_line;            /* one tap, one line of taps, in the panel */
  size_t row;                      /* of the panel */
  uint32_t k;                      /* elements */
  uint32_t y, x;                   /* of the next output pixel */
  span lines;                      /* of the filter at y */
  uint32_t whole_begin, whole_end; /* the x where the image holds all taps of a line */
} gatherer;

static span lines_at(const edge_conv2d_desc *d, uint32_t y) {
  return clip((int64_t)y * d->stride_h - d->pad_top, d->filter_h, d->dilation_h, d->input_h);
}

static gatherer gather_from(const edge_conv2d_desc *d, const edge_gemm *g, const uint8_t *input, uint32_t row) {
  const uint32_t line = row / d->output_w;
  const int64_t room = (int64_t)d->input_w + d->pad_left - (int64_t)(d->filter_w - 1u) * d->dilation_w;
  gatherer at = {.d = d, .g = g, .k = (uint32_t)depth(d), .y = line % d->output_h, .x = row % d->output_w};
  at.pixel = d->input_c * (g->panel == EDGE_PANEL_F32 ? sizeof(float) : 1u);
  at.line = d->input_w * at.pixel;
  at.tap = d->input_c * edge_gemm_panel_element(g);
  at.tap_line = d->filter_w * at.tap;
  at.row = edge_gemm_panel_stride(g, at.k);
  at.image = input + (size_t)(line / d->output_h) * d->input_h * at.line;
  at.lines = lines_at(d, at.y);
  at.whole_begin = divide_up(d->pad_left, d->stride_w);
  at.whole_end = room > 0 ? divide_up(room, d->stride_w) : 0;
  if (at.whole_end > d->output_w) at.whole_end = d->output_w;
  return at;
}

static void advance(gatherer *at, uint32_t count) {
  at->x += count;
  if (at->x < at->d->output_w) return;
  at->x = 0;
  if (++at->y == at->d->output_h) {
    at->y = 0;
    at->image += at->d->input_h * at->line;
  }
  at->lines = lines_at(at->d, at->y);
}

/* The next `count` pixels, all of this line and with whole lines of taps: one copy for each line of the filter. */
static void gather_whole(const gatherer *at, uint8_t *panel, uint32_t count) {
  const edge_conv2d_desc *d = at->d;
  const span v = at->lines;
  const size_t first = (size_t)at->x * d->stride_w - d->pad_left;
  const uint8_t *from = at->image + v.first * at->line + first * at->pixel;
  if (v.end - v.begin != d->filter_h) {
    for (uint32_t i = 0; i < count; i++) edge_gemm_fill(at->g, panel + i * at->row, d->input_zero_point, at->k);
  }
  for (uint32_t line = v.begin; line < v.end; line++, from += d->dilation_h * at->line) {
    at->g->copy(panel + line * at->tap_line, at->row, from, d->stride_w * at->pixel, count, d->filter_w * d->input_c);
  }
}

/* The next pixel, anywhere: one copy for each line of the filter, by tap if they are dilated. */
static void gather_one(const gatherer *at, uint8_t *row) {
  const edge_conv2d_desc *d = at->d;
  const span v = at->lines;
  const span h = clip((int64_t)at->x * d->stride_w - d->pad_left, d->filter_w, d->dilation_w, d->input_w);
  const uint32_t taps = h.end - h.begin;
  const size_t step = d->dilation_w * at->pixel;
  if (v.end - v.begin != d->filter_h || taps != d->filter_w) {
    edge_gemm_fill(at->g, row, d->input_zero_point, at->k);
  }
  if (taps == 0) return;
  const uint8_t *from = at->image + v.first * at->line + h.first * at->pixel;
  for (uint32_t line = v.begin; line < v.end; line++, from += d->dilation_h * at->line) {
    uint8_t *to = row + line * at->tap_line + h.begin * at->tap;
    if (d->dilation_w == 1) {
      at->g->copy(to, 0, from, 0, 1, taps * d->input_c);
    } else {
      at->g->copy(to, at->tap, from, step, taps, d->input_c);
    }
  }
}

/* Rows of the panel: [filter_h][filter_w][input_c] under the windows of the next `count` pixels. */
static void gather(gatherer *at, uint8_t *panel, uint32_t count) {
  while (count != 0) {
    uint32_t done = 1;
    if (at->d->dilation_w == 1 && at->x >= at->whole_begin && at->x < at->whole_end) {
      done = at->whole_end - at->x < count ? at->whole_end - at->x : count;
      gather_whole(at, panel, done);
    } else {
      gather_one(at, panel);
    }
    advance(at, done);
    panel += done * at->row;
    count -= done;
  }
}

/* 1 if output pixel i reads exactly input pixel i: the rows of A lie one after another. */
static int is_pointwise(const edge_conv2d_desc *d) {
  return d->filter_h == 1 && d->filter_w == 1 && d->stride_h == 1 && d->stride_w == 1 && d->pad_top == 0 &&
         d->pad_left == 0 && d->output_h == d->input_h && d->output_w == d->input_w;
}

/* A pointwise convolution whose rows of A are the image's pixels. */
static void run_in_place(const edge_gemm *g, edge_gemm_task *task, const uint8_t *input, size_t pixel,
                         const void *packed, edge_conv2d_pixels part, uint32_t begin, uint32_t end, uint8_t *output) {
  task->panel_stride = pixel;
  for (uint32_t row = part.begin; row < part.end; row += g->max_panel_rows) {
    const uint32_t left = part.end - row, count = left < g->max_panel_rows ? left : g->max_panel_rows;
    edge_gemm_run(g, task, input + row * pixel, count, packed, begin, end, output + row * task->output_stride);
  }
}

/* Pixels of `part`, channels [begin, end). */
static void run(const edge_conv2d_desc *d, const edge_gemm *g, uint8_t *base, const void *packed, uint8_t *panel,
                edge_conv2d_pixels part, uint32_t begin, uint32_t end) {
  if (edge_conv2d_over_lines(d, g)) {
    edge_conv2d_run_lines(d, g, base, packed, panel, part, begin, end);
    return;
  }
  const uint32_t k = (uint32_t)depth(d), n = d->output_c, most = edge_gemm_panel_rows(g, k);
  const int pointwise = is_pointwise(d);
  gatherer at = gather_from(d, g, base + d->input, part.begin);
  edge_gemm_task task = edge_gemm_begin(g, g->panel == EDGE_PANEL_F32 ? EDGE_GEMM_F32 : EDGE_GEMM_MBQM, n, k);
  task.zero_point = d->output_zero_point;
  task.act_min = d->act_min;
  task.act_max = d->act_max;
  edge_gemm_set_zero_points(g, &task, k, d->input_zero_point, d->filter_zero_point);
  if (pointwise && edge_gemm_reads_source(g, k)) {
    run_in_place(g, &task, base + d->input, at.pixel, packed, part, begin, end, base + d->output);
    return;
  }
  edge_gemm_clear_padding(g, k, panel, part.end - part.begin < most ? part.end - part.begin : most);
  for (uint32_t row = part.begin; row < part.end;) {
    const uint32_t count = part.end - row < most ? part.end - row : most;
    if (pointwise) {
      g->copy(panel, task.panel_stride, base + d->input + row * at.pixel, at.pixel, count, k);
    } else {
      gather(&at, panel, count);
    }
    edge_gemm_run(g, &task, panel, count, packed, begin, end, base + d->output + row * task.output_stride);
    row += count;
  }
}

/* ---- the two kernels ---- */

static size_t packed_bytes(const edge_conv2d_desc *d, const edge_gemm *g) {
  const int lines = edge_conv2d_over_lines(d, g);
  const uint32_t segments = lines ? d->filter_h : 1u, k = lines ? d->filter_w * d->input_c : (uint32_t)depth(d);
  return edge_gemm_packed_bytes(g, d->output_c, edge_gemm_padded_k(g, segments, k));
}

static size_t scratch_bytes(const edge_conv2d_desc *d, const edge_gemm *g, int is_float) {
  if (edge_conv2d_over_lines(d, g)) return edge_conv2d_lines_scratch(d, is_float);
  return edge_gemm_scratch_bytes(g, (uint32_t)depth(d));
}

static uint32_t columns(const void *desc) {
  const edge_conv2d_desc *d = desc;
  return d->by_columns ? 0 : d->output_c; /* where they are the rows there is no other way to share */
}

/* The descriptor's rows. */
static void run_rows(const edge_conv2d_desc *d, const edge_gemm *g, uint8_t *base, const void *packed, void *scratch) {
  const edge_conv2d_pixels all = {0, (uint32_t)pixels(d)}, some = {d->begin, d->end};
  if (d->by_columns) {
    run(d, g, base, packed, scratch, all, d->begin, d->end);
  } else {
    run(d, g, base, packed, scratch, some, 0, d->output_c);
  }
}

static uint32_t packed_at(const void *desc) { return ((const edge_conv2d_desc *)desc)->packed; }
static uint32_t scratch_at(const void *desc) { return ((const edge_conv2d_desc *)desc)->scratch; }

#define KERNEL(dtype, gemm, is_float)                                                                               \
  static edge_status check_##dtype(const void *desc, const edge_memory *memory) {                                   \
    return check(desc, EDGE_KERNEL_conv2d_##dtype, is_float, memory);                                               \
  }                                                                                                                 \
  static size_t packed_bytes_##dtype(const void *desc, edge_isa isa) {                                              \
    const edge_conv2d_desc *d = desc;                                                                               \
    return packed_bytes(d, gemm(isa));                                                                              \
  }                                                                                                                 \
  static void pack_##dtype(const void *desc, edge_isa isa, const uint8_t *base, void *packed) {                     \
    pack(desc, gemm(isa), base, packed);                                                                            \
  }                                                                                                                 \
  static size_t scratch_bytes_##dtype(const void *desc, edge_isa isa) {                                             \
    return scratch_bytes(desc, gemm(isa), is_float);                                                                \
  }                                                                                                                 \
  static void run_##dtype(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {       \
    run_rows(desc, gemm(isa), base, packed, scratch);                                                               \
  }                                                                                                                 \
  static void run_columns_##dtype(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch, \
                                  uint32_t begin, uint32_t end) {                                                   \
    const edge_conv2d_desc *d = desc;                                                                               \
    const edge_conv2d_pixels part = {d->begin, d->end};                                                             \
    run(d, gemm(isa), base, packed, scratch, part, begin, end);                                                     \
  }                                                                                                                 \
  const edge_kernel edge_kernel_conv2d_##dtype = {                                                                  \
      .name = "conv2d_" #dtype,                                                                                     \
      .id = EDGE_KERNEL_conv2d_##dtype,                                                                             \
      .desc_bytes = sizeof(edge_conv2d_desc),                                                                       \
      .check = check_##dtype,                                                                                       \
      .rows = rows,                                                                                                 \
      .row_work = row_work,                                                                                         \
      .packed_bytes = packed_bytes_##dtype,                                                                         \
      .pack = pack_##dtype,                                                                                         \
      .scratch_bytes = scratch_bytes_##dtype,                                                                       \
      .packed_at = packed_at,                                                                                       \
      .scratch_at = scratch_at,                                                                                     \
      .share = is_float ? 48 : 16,                                                                                  \
      .run = run_##dtype,                                                                                           \
      .columns = columns,                                                                                           \
      .run_columns = run_columns_##dtype,                                                                           \
  };

KERNEL(s8, edge_qs8_gemm, 0)
KERNEL(f32, edge_f32_gemm, 1)
