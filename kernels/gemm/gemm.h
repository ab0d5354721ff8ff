/* The packed GEMM core of conv2d and fully_connected: out[m][n] = epilogue(bias[n] + sum over k of a[m][k] * b[n][k]).
 *
 * B, the weights, is packed once. A is copied into a panel, a few rows at a time, and widened there, so that the
 * inner loop reads both in order and needs no tail code:
 *
 *   packed    tile 0 | tile 1 | ...          a tile is nr channels: constants, then weights [k / kr][nr][kr];
 *                                            channels beyond n and k beyond its end are zero
 *   panel     row 0 | row 1 | ...            k elements each, padded with zeros to k_step
 *
 * A row of A may also lie in segments, each of the same length (convolutions over lines, see conv2d_lines.c): then k
 * counts the elements of one, and the tiles hold the weights of one segment after the other, each padded to k_step.
 * What lies behind a segment in memory meets weights that are zero.
 *
 * A variant (one const struct for each dtype and ISA, listed in gemm.def) only says its tile sizes, how a run of A is
 * copied and how panel rows meet whole tiles. Everything else is in gemm.c, once.
 *
 * int8: accumulators are 32 bits and wrap. The input's zero point is folded into the bias, so a padding pixel is the
 * value input_zero_point. A zero point of the weights is the same for all channels: what it takes from a sum,
 * filter_zero_point * sum(a[m] - input_zero_point), is found once for each row of the panel ("row terms").
 * Every variant gives the same bits. f32: each sum runs over k in order, from the bias.
 */
#ifndef EDGE_GEMM_H
#define EDGE_GEMM_H

#include "../abi/abi.h"
#include "../abi/isa.h"

typedef enum edge_gemm_epilogue {
  EDGE_GEMM_MBQM, /* int8, conv2d: edge_mbqm() by channel */
  EDGE_GEMM_F64,  /* int8, fully_connected: float64 product, rounded half away from zero */
  EDGE_GEMM_F32,
} edge_gemm_epilogue;

/* How the panel holds an element of A. */
typedef enum edge_gemm_panel {
  EDGE_PANEL_S8,
  EDGE_PANEL_U8, /* x ^ 0x80 = x + 128: the unsigned operand of VNNI; its 128 * sum(b) is folded into the bias */
  EDGE_PANEL_S16,
  EDGE_PANEL_F32,
} edge_gemm_panel;

/* The constants of an int8 tile: i32 [EDGE_TILE_WORDS][nr]; of an f32 tile: f32 bias[nr]. */
enum {
  EDGE_TILE_BIAS,
  EDGE_TILE_MULTIPLIER, /* MBQM */
  EDGE_TILE_LEFT,       /* MBQM: left shift, 0 .. 30 */
  EDGE_TILE_RIGHT,      /* MBQM: right shift, 0 .. 31 */
  EDGE_TILE_POWER,      /* MBQM: 2^(30 - right), for ISAs without a shift by lane */
  EDGE_TILE_SIGN,       /* MBQM: all ones where right > 0 */
  EDGE_TILE_SCALAR,     /* MBQM: all ones in a tile where LEFT or POWER cannot be used (left > 0 or right > 30) */
  EDGE_TILE_LARGE,      /* MBQM: all ones in a tile with SCALAR, with right == 0, or where a sum may reach 2^30 */
  EDGE_TILE_HALF,       /* MBQM: 2^(right - 1), 0 where right is 0 */
  EDGE_TILE_WORDS,
  EDGE_TILE_SCALE = EDGE_TILE_LEFT, /* F64: f64 [nr] in the place of two words */
};

/* What one call of edge_gemm_run needs besides pointers. Strides are in bytes. */
typedef struct edge_gemm_task {
  edge_gemm_epilogue epilogue;
  uint32_t k;     /* of one segment, rounded up to k_step */
  uint32_t sum_k; /* of one segment, those that count for row terms */
  uint32_t segments;
  const size_t *segment; /* from a row of the panel to each of its segments */
  size_t panel_stride;   /* from one row of the panel to the next */
  size_t tile_bytes;     /* from one tile to the next */
  size_t output_stride;
  int32_t zero_point; /* of the output; int8 only */
  edge_num act_min;
  edge_num act_max;
  int32_t filter_zero_point; /* int8 only, as all below */
  uint32_t row_term;         /* of a row of the panel that is all 0 */
  const int32_t *row_terms;  /* what each row of the panel adds to its sums; NULL: nothing */
} edge_gemm_task;

typedef struct edge_gemm {
  const char *name;
  edge_gemm_panel panel;
  uint32_t mr;             /* rows of a full tile */
  uint32_t nr;             /* channels of a tile, at most EDGE_GEMM_MAX_NR */
  uint32_t kr;             /* neighbours in k that lie together in a tile */
  uint32_t k_step;         /* k is padded to a multiple of this; a multiple of kr */
  uint32_t max_panel_rows; /* a multiple of mr */
  uint32_t panel_bytes;    /* most of a panel of more than mr rows; 0: what the first cache holds beside a tile */
  int sums_any_count;
  int segmented;       /* takes rows of more than one segment */
  uint32_t least_rows; /* as many, or more, are about as fast each as full tiles; 0: four tiles of them */
  /* Copies `runs` runs of `count` elements of A into the panel. Reads and writes exactly these. */
  void (*copy)(void *panel, size_t panel_stride, const void *source, size_t source_stride, uint32_t runs,
               uint32_t count);
  /* int8: the sum of `count` elements of the panel; unless sums_any_count, a multiple of k_step. */
  int32_t (*sum)(const void *panel, uint32_t count);
  /* The same of four rows at once; NULL: one by one. */
  void (*sum4)(const void *panel, size_t panel_stride, uint32_t count, int32_t sums[4]);
  /* rows of the panel x `tiles` whole tiles; all nr channels of each are stored. */
  void (*run)(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
              void *output);
  /* The same, and the first nr / 2 channels of one tile more; NULL: such a tile is computed aside. */
  void (*run_half)(const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed, uint32_t tiles,
                   void *output);
} edge_gemm;

#define EDGE_GEMM_MAX_NR 16u
#define EDGE_GEMM_MAX_PANEL_ROWS 64u

/* The variant for `isa`, or that of the best lesser ISA that has one; in the end the scalar one. */
const edge_gemm *edge_qs8_gemm(edge_isa isa);
const edge_gemm *edge_f32_gemm(edge_isa isa);

/* Weights in canonical layout, with what the epilogue needs. */
typedef struct edge_gemm_weights {
  edge_gemm_epilogue epilogue;
  uint32_t n;
  uint32_t segments;
  uint32_t k;                /* of one segment */
  const void *filter;        /* s8 or f32 [n][segments][k] */
  const void *bias;          /* i32 or f32 [n], or NULL */
  const int32_t *multiplier; /* MBQM: [n], >= 0 */
  const int32_t *shift;      /* MBQM: [n], -31 .. 30 */
  const double *scale;       /* F64: [n], finite */
  int32_t input_zero_point;  /* int8: -128 .. 127 */
} edge_gemm_weights;

/* Bytes of the packed weights and of the panel (scratch) for one variant. */
size_t edge_gemm_packed_bytes(const edge_gemm *g, uint32_t n, uint32_t k);
size_t edge_gemm_scratch_bytes(const edge_gemm *g, uint32_t k);

/* What a descriptor's packed_bytes and scratch_bytes must be at least: enough for every sandbox variant.
 * The same formulas as edge_sdk.abi.packed_bytes() and scratch_bytes(). */
uint64_t edge_gemm_packed_bytes_needed(int is_float, uint64_t n, uint64_t segments, uint64_t k);
uint64_t edge_gemm_scratch_bytes_needed(int is_float, uint64_t k);

void edge_gemm_pack(const edge_gemm *g, const edge_gemm_weights *weights, void *packed);

/* Rows of A the panel takes at once; bytes from one of its rows to the next, and of one of its elements. */
uint32_t edge_gemm_panel_rows(const edge_gemm *g, uint32_t k);
size_t edge_gemm_panel_stride(const edge_gemm *g, uint32_t k);
size_t edge_gemm_panel_element(const edge_gemm *g);

/* 1 if rows of `k` elements can be read where they lie: the panel would hold the same bytes. */
int edge_gemm_reads_source(const edge_gemm *g, uint32_t k);

/* Zeroes what the copies of `rows` rows leave untouched: the padding of k. Once before the first run. */
void edge_gemm_clear_padding(const edge_gemm *g, uint32_t k, void *panel, uint32_t rows);

/* Sets `count` elements of the panel to `value` (int8), or to 0 (f32). */
void edge_gemm_fill(const edge_gemm *g, void *panel, int32_t value, uint32_t count);

/* Elements of a whole row in the packed weights: each segment padded. What the functions above call k. */
uint32_t edge_gemm_padded_k(const edge_gemm *g, uint32_t segments, uint32_t k);

/* The task for outputs of `n` channels by row, of one segment; the caller sets zero_point, act_min and act_max. */
edge_gemm_task edge_gemm_begin(const edge_gemm *g, edge_gemm_epilogue epilogue, uint32_t n, uint32_t k);
/* The same for rows of segments; the caller sets `segment` and panel_stride too. */
edge_gemm_task edge_gemm_begin_segments(const edge_gemm *g, edge_gemm_epilogue epilogue, uint32_t n, uint32_t segments,
                                        uint32_t k);

/* For int8 weights with a zero point: k and the input's zero point as in the weights that were packed. */
void edge_gemm_set_zero_points(const edge_gemm *g, edge_gemm_task *task, uint32_t k, int32_t input_zero_point,
                               int32_t filter_zero_point);

/* Panel rows x channels [n_begin, n_end). `output` is channel 0 of the first row. */
void edge_gemm_run(const edge_gemm *g, const edge_gemm_task *task, const void *panel, uint32_t rows, const void *packed,
                   uint32_t n_begin, uint32_t n_end, void *output);

/* EDGE_GEMM_<build>(dtype, isa, variant). */
#define EDGE_GEMM_ROW(dtype, isa, variant) extern const edge_gemm edge_##dtype##_gemm__##variant;
#define EDGE_GEMM_ANY EDGE_GEMM_ROW
#define EDGE_GEMM_X86 EDGE_GEMM_ROW
#define EDGE_GEMM_AARCH64 EDGE_GEMM_ROW
#define EDGE_GEMM_WASM EDGE_GEMM_ROW
#define EDGE_GEMM_WASM_RELAXED EDGE_GEMM_ROW
#include "gemm.def"
#undef EDGE_GEMM_ROW

#endif
