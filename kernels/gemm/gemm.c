/* The part of the packed GEMM that is the same for every ISA: choice of variant, packing, partial tiles. */
#include "gemm.h"

#include "../common/check.h"

/* ---- choice ---- */

#define ROW(dtype_, isa_, variant) {IS_##dtype_, EDGE_ISA_##isa_, &edge_##dtype_##_gemm__##variant},
#define NONE(dtype, isa, variant)
#define EDGE_GEMM_ANY ROW
#if defined(EDGE_BUILD_X86)
#define EDGE_GEMM_X86 ROW
#else
#define EDGE_GEMM_X86 NONE
#endif
#if defined(EDGE_BUILD_AARCH64)
#define EDGE_GEMM_AARCH64 ROW
#else
#define EDGE_GEMM_AARCH64 NONE
#endif
#if defined(EDGE_BUILD_WASM)
#define EDGE_GEMM_WASM ROW
#else
#define EDGE_GEMM_WASM NONE
#endif
#if defined(EDGE_BUILD_WASM_RELAXED)
#define EDGE_GEMM_WASM_RELAXED ROW
#else
#define EDGE_GEMM_WASM_RELAXED NONE
#endif

enum { IS_qs8, IS_f32 };

typedef struct choice {
  int dtype;
  edge_isa isa;
  const edge_gemm *variant;
} choice;

/* In rising order of preference, as isa.def. */
static const choice CHOICES[] = {
#include "gemm.def"
};

/* A build holds the variants of one architecture only, so "the best lesser ISA" is the last row not above `isa`; the
 * row of EDGE_ISA_REF is never above it. */
static const edge_gemm *find(int dtype, edge_isa isa) {
  const edge_gemm *best = NULL;
  for (size_t i = 0; i < sizeof CHOICES / sizeof CHOICES[0]; i++) {
    if (CHOICES[i].dtype == dtype && CHOICES[i].isa <= isa) best = CHOICES[i].variant;
  }
  return best;
}

const edge_gemm *edge_qs8_gemm(edge_isa isa) { return find(IS_qs8, isa); }
const edge_gemm *edge_f32_gemm(edge_isa isa) { return find(IS_f32, isa); }

/* ---- sizes ---- */

/* A panel of this size stays in the first-level cache beside a tile of weights. */
#define PANEL_BYTES 32768u

static uint64_t round_up(uint64_t x, uint32_t step) { return (x + step - 1u) / step * step; }

static int is_float(const edge_gemm *g) { return g->panel == EDGE_PANEL_F32; }

static size_t header_bytes(const edge_gemm *g) { return (is_float(g) ? 4u : 4u * EDGE_TILE_WORDS) * g->nr; }

static size_t tile_bytes(const edge_gemm *g, uint32_t k) {
  return header_bytes(g) + (size_t)round_up(k, g->k_step) * g->nr * (is_float(g) ? 4u : 1u);
}

size_t edge_gemm_packed_bytes(const edge_gemm *g, uint32_t n, uint32_t k) {
  return (size_t)(round_up(n, g->nr) / g->nr) * tile_bytes(g, k);
}

uint32_t edge_gemm_padded_k(const edge_gemm *g, uint32_t segments, uint32_t k) {
  return segments * (uint32_t)round_up(k, g->k_step);
}

size_t edge_gemm_panel_element(const edge_gemm *g) {
  switch (g->panel) {
    case EDGE_PANEL_S16:
      return 2;
    case EDGE_PANEL_F32:
      return 4;
    default:
      return 1;
  }
}

size_t edge_gemm_panel_stride(const edge_gemm *g, uint32_t k) {
  return (size_t)round_up(k, g->k_step) * edge_gemm_panel_element(g);
}

uint32_t edge_gemm_panel_rows(const edge_gemm *g, uint32_t k) {
  const size_t most = g->panel_bytes != 0 ? g->panel_bytes : PANEL_BYTES;
  const uint32_t fit = (uint32_t)(most / edge_gemm_panel_stride(g, k)) / g->mr * g->mr;
  if (fit < g->mr) return g->mr;
  return fit < g->max_panel_rows ? fit : g->max_panel_rows;
}

size_t edge_gemm_scratch_bytes(const edge_gemm *g, uint32_t k) {
  return edge_gemm_panel_rows(g, k) * edge_gemm_panel_stride(g, k);
}

/* Saturating: a large k must not wrap. */
uint64_t edge_gemm_packed_bytes_needed(int is_float, uint64_t n, uint64_t segments, uint64_t k) {
  const uint64_t each = edge_mul(segments, edge_add(k, 15u) / 16u * 16u);
  return edge_mul(round_up(n, 16), is_float ? edge_mul(edge_add(each, 4u), 4u) : edge_add(each, 48u));
}

uint64_t edge_gemm_scratch_bytes_needed(int is_float, uint64_t k) {
  return 8u * round_up(k, 16) * (is_float ? 4u : 2u) + 64u;
}

/* ---- packing ---- */

/* An int8 as the panel holds it. */
static uint32_t panel_value(const edge_gemm *g, int32_t x) {
  return (uint32_t)(x + (g->panel == EDGE_PANEL_U8 ? 128 : 0));
}

/* Places one channel's weights at its lane and returns their sum, modulo 2^32. */
static uint32_t pack_channel_s8(const edge_gemm *g, const int8_t *filter, uint32_t k, uint32_t lane, int8_t *tile) {
  uint32_t sum = 0;
  for (uint32_t group = 0; group < k; group += g->kr) {
    int8_t *to = tile + (size_t)group * g->nr + lane * g->kr;
    const uint32_t count = k - group < g->kr ? k - group : g->kr;
    for (uint32_t i = 0; i < count; i++) {
      to[i] = filter[group + i];
      sum += (uint32_t)(int32_t)filter[group + i];
    }
  }
  return sum;
}

static void mark(const edge_gemm *g, int32_t *words, uint32_t word) {
  for (uint32_t i = 0; i < g->nr; i++) words[word * g->nr + i] = -1;
}

static void pack_mbqm(const edge_gemm *g, int32_t multiplier, int32_t shift, uint32_t lane, int32_t *words) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  words[EDGE_TILE_MULTIPLIER * g->nr + lane] = multiplier;
  words[EDGE_TILE_LEFT * g->nr + lane] = left;
  words[EDGE_TILE_RIGHT * g->nr + lane] = right;
  words[EDGE_TILE_POWER * g->nr + lane] = right > 30 ? 0 : (int32_t)1 << (30 - right);
  words[EDGE_TILE_SIGN * g->nr + lane] = right > 0 ? -1 : 0;
  words[EDGE_TILE_HALF * g->nr + lane] = right > 0 ? (int32_t)1 << (right - 1) : 0;
  if (left != 0 || right > 30) mark(g, words, EDGE_TILE_SCALAR);
  if (left != 0 || right > 30 || right == 0) mark(g, words, EDGE_TILE_LARGE);
}

/* 255 * 255 * k + |bias| bounds a sum, whatever the zero points are. */
static int is_large(const edge_gemm_weights *w, uint32_t bias) {
  return (uint64_t)w->segments * w->k > 8192u || bias + (UINT32_C(1) << 29) >= UINT32_C(1) << 30;
}

static void pack_s8(const edge_gemm *g, const edge_gemm_weights *w, uint32_t channel, uint32_t lane, uint8_t *tile) {
  int32_t *words = (int32_t *)(void *)tile;
  const uint32_t panel_zero = panel_value(g, w->input_zero_point);
  const int8_t *filter = (const int8_t *)w->filter + (size_t)channel * w->segments * w->k;
  const size_t segment_bytes = (size_t)edge_gemm_padded_k(g, 1, w->k) * g->nr;
  uint32_t sum = 0;
  for (uint32_t s = 0; s < w->segments; s++) {
    sum +=
        pack_channel_s8(g, filter + (size_t)s * w->k, w->k, lane, (int8_t *)tile + header_bytes(g) + s * segment_bytes);
  }
  const uint32_t bias = w->bias != NULL ? ((const uint32_t *)w->bias)[channel] : 0;
  words[EDGE_TILE_BIAS * g->nr + lane] = (int32_t)(bias - panel_zero * sum);
  if (w->epilogue == EDGE_GEMM_MBQM) {
    pack_mbqm(g, w->multiplier[channel], w->shift[channel], lane, words);
    if (is_large(w, bias)) mark(g, words, EDGE_TILE_LARGE);
  } else {
    ((double *)(void *)(words + EDGE_TILE_SCALE * g->nr))[lane] = w->scale[channel];
  }
}

static void pack_f32(const edge_gemm *g, const edge_gemm_weights *w, uint32_t channel, uint32_t lane, uint8_t *tile) {
  const float *filter = (const float *)w->filter + (size_t)channel * w->segments * w->k;
  float *to = (float *)(void *)(tile + header_bytes(g)) + lane;
  ((float *)(void *)tile)[lane] = w->bias != NULL ? ((const float *)w->bias)[channel] : 0.0f;
  for (uint32_t s = 0; s < w->segments; s++, to += (size_t)edge_gemm_padded_k(g, 1, w->k) * g->nr) {
    for (uint32_t i = 0; i < w->k; i++) to[(size_t)i * g->nr] = *filter++;
  }
}

void edge_gemm_pack(const edge_gemm *g, const edge_gemm_weights *weights, void *packed) {
  const uint32_t k = edge_gemm_padded_k(g, weights->segments, weights->k);
  const size_t bytes = tile_bytes(g, k);
  __builtin_memset(packed, 0, edge_gemm_packed_bytes(g, weights->n, k));
  for (uint32_t channel = 0; channel < weights->n; channel++) {
    uint8_t *tile = (uint8_t *)packed + (size_t)(channel / g->nr) * bytes;
    if (is_float(g)) {
      pack_f32(g, weights, channel, channel % g->nr, tile);
    } else {
      pack_s8(g, weights, channel, channel % g->nr, tile);
    }
  }
}

/* ---- panel ---- */

int edge_gemm_reads_source(const edge_gemm *g, uint32_t k) {
  return (g->panel == EDGE_PANEL_F32 || g->panel == EDGE_PANEL_S8) && k % g->k_step == 0;
}

void edge_gemm_clear_padding(const edge_gemm *g, uint32_t k, void *panel, uint32_t rows) {
  const size_t stride = edge_gemm_panel_stride(g, k);
  const size_t used = (size_t)k * edge_gemm_panel_element(g);
  if (used == stride) return;
  for (uint32_t row = 0; row < rows; row++) {
    __builtin_memset((uint8_t *)panel + row * stride + used, 0, stride - used);
  }
}

void edge_gemm_fill(const edge_gemm *g, void *panel, int32_t value, uint32_t count) {
  switch (g->panel) {
    case EDGE_PANEL_S8:
      __builtin_memset(panel, (uint8_t)value, count);
      return;
    case EDGE_PANEL_U8:
      __builtin_memset(panel, (uint8_t)value ^ 0x80u, count);
      return;
    case EDGE_PANEL_S16:
      for (uint32_t i = 0; i < count; i++) ((int16_t *)panel)[i] = (int16_t)value;
      return;
    case EDGE_PANEL_F32:
      __builtin_memset(panel, 0, (size_t)count * 4u);
      return;
  }
}

/* ---- running ---- */

edge_gemm_task edge_gemm_begin(const edge_gemm *g, edge_gemm_epilogue epilogue, uint32_t n, uint32_t k) {
  static const size_t only[1] = {0};
  edge_gemm_task task = edge_gemm_begin_segments(g, epilogue, n, 1, k);
  task.segment = only;
  task.panel_stride = edge_gemm_panel_stride(g, k);
  return task;
}

edge_gemm_task edge_gemm_begin_segments(const edge_gemm *g, edge_gemm_epilogue epilogue, uint32_t n, uint32_t segments,
                                        uint32_t k) {
  edge_gemm_task task = {
      .epilogue = epilogue,
      .k = (uint32_t)round_up(k, g->k_step),
      .sum_k = g->sums_any_count ? k : (uint32_t)round_up(k, g->k_step),
      .segments = segments,
      .tile_bytes = tile_bytes(g, edge_gemm_padded_k(g, segments, k)),
      .output_stride = (size_t)n * (is_float(g) ? 4u : 1u),
  };
  return task;
}

void edge_gemm_set_zero_points(const edge_gemm *g, edge_gemm_task *task, uint32_t k, int32_t input_zero_point,
                               int32_t filter_zero_point) {
  task->filter_zero_point = filter_zero_point;
  task->row_term = (uint32_t)filter_zero_point * k * panel_value(g, input_zero_point);
}

/* The padding of k is 0 in the panel, so it counts for nothing in the sums; behind a segment lies what follows it. */
static void find_row_terms(const edge_gemm *g, const edge_gemm_task *task, const uint8_t *panel, uint32_t rows,
                           int32_t *terms) {
  const uint32_t zero_point = (uint32_t)task->filter_zero_point;
  uint32_t row = 0;
  for (; g->sum4 != NULL && row + 4u <= rows; row += 4u) {
    uint32_t sums[4] = {0, 0, 0, 0};
    for (uint32_t s = 0; s < task->segments; s++) {
      int32_t four[4];
      g->sum4(panel + row * task->panel_stride + task->segment[s], task->panel_stride, task->sum_k, four);
      for (uint32_t i = 0; i < 4; i++) sums[i] += (uint32_t)four[i];
    }
    for (uint32_t i = 0; i < 4; i++) terms[row + i] = (int32_t)(task->row_term - zero_point * sums[i]);
  }
  for (; row < rows; row++) {
    uint32_t sum = 0;
    for (uint32_t s = 0; s < task->segments; s++) {
      sum += (uint32_t)g->sum(panel + row * task->panel_stride + task->segment[s], task->sum_k);
    }
    terms[row] = (int32_t)(task->row_term - zero_point * sum);
  }
}

static void copy_bytes(uint8_t *to, const uint8_t *from, size_t count) {
  if (count == 8) {
    __builtin_memcpy(to, from, 8);
    return;
  }
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

/* Rows a partial tile is computed for at once. */
#define PARTIAL_ROWS 8u

/* Channels [lane_begin, lane_end) of one tile: computes the whole tile aside and stores the lanes asked for.
 * `output` is the first of these channels in the first row. */
static void run_partial(const edge_gemm *g, const edge_gemm_task *task, const uint8_t *panel, uint32_t rows,
                        const uint8_t *tile, uint32_t lane_begin, uint32_t lane_end, uint8_t *output) {
  float aside[PARTIAL_ROWS * EDGE_GEMM_MAX_NR]; /* or int8 */
  const size_t element = is_float(g) ? 4u : 1u;
  edge_gemm_task part = *task;
  part.output_stride = g->nr * element;
  for (uint32_t row = 0; row < rows; row += PARTIAL_ROWS) {
    const uint32_t count = rows - row < PARTIAL_ROWS ? rows - row : PARTIAL_ROWS;
    if (task->row_terms != NULL) part.row_terms = task->row_terms + row;
    g->run(&part, panel + row * task->panel_stride, count, tile, 1, aside);
    for (uint32_t i = 0; i < count; i++) {
      copy_bytes(output + (row + i) * task->output_stride,
                 (const uint8_t *)aside + i * part.output_stride + lane_begin * element,
                 (lane_end - lane_begin) * element);
    }
  }
}

/* edge_gemm_run with the row terms known. */
static void run_channels(const edge_gemm *g, const edge_gemm_task *task, const void *panel, uint32_t rows,
                         const void *packed, uint32_t n_begin, uint32_t n_end, void *output) {
  const size_t element = is_float(g) ? 4u : 1u;
  for (uint32_t n = n_begin; n < n_end;) {
    const uint32_t lane = n % g->nr;
    const uint32_t tiles = (n_end - n) / g->nr;
    const uint8_t *tile = (const uint8_t *)packed + (size_t)(n / g->nr) * task->tile_bytes;
    uint8_t *to = (uint8_t *)output + n * element;
    if (lane == 0 && g->run_half != NULL && (n_end - n) % g->nr == g->nr / 2u) {
      g->run_half(task, panel, rows, tile, tiles, to);
      n = n_end;
    } else if (lane == 0 && tiles > 0) {
      g->run(task, panel, rows, tile, tiles, to);
      n += tiles * g->nr;
    } else {
      const uint32_t left = n_end - n;
      const uint32_t lane_end = lane + left < g->nr ? lane + left : g->nr;
      run_partial(g, task, panel, rows, tile, lane, lane_end, to);
      n += lane_end - lane;
    }
  }
}

void edge_gemm_run(const edge_gemm *g, const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed,
                   uint32_t n_begin, uint32_t n_end, void *output) {
  if (task->filter_zero_point == 0) {
    run_channels(g, task, panel, rows, packed, n_begin, n_end, output);
    return;
  }
  int32_t terms[EDGE_GEMM_MAX_PANEL_ROWS];
  edge_gemm_task part = *task;
  part.row_terms = terms;
  for (uint32_t row = 0; row < rows; row += EDGE_GEMM_MAX_PANEL_ROWS) {
    const uint32_t count = rows - row < EDGE_GEMM_MAX_PANEL_ROWS ? rows - row : EDGE_GEMM_MAX_PANEL_ROWS;
    const uint8_t *from = (const uint8_t *)panel + row * task->panel_stride;
    find_row_terms(g, task, from, count, terms);
    run_channels(g, &part, from, count, packed, n_begin, n_end, (uint8_t *)output + row * task->output_stride);
  }
}
