/* What comes of the gates of a recurrent layer: checks and the rows of the table. */
#include "cell.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, cell, field, reason, condition)
#define REQUIRE_REGION(field, align) EDGE_REQUIRE_REGION(id, cell, field, field, align, memory)

/* `use`: whether the kernel multiplies by it. */
static int scale_ok(int32_t multiplier, int32_t shift, int use) {
  return use ? multiplier >= 0 && shift >= -31 && shift <= 30 : multiplier == 0 && shift == 0;
}

static edge_status check_sizes(const edge_cell_desc *d, edge_kernel_id id) {
  const int is_rnn = id == EDGE_KERNEL_rnn_cell_f32;
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(batch, RANGE, d->batch >= 1);
  REQUIRE(units, RANGE, d->units >= 1);
  REQUIRE(gate_count, RANGE, is_rnn ? d->gate_count == 1 : d->gate_count == 3 || d->gate_count == 4);
  REQUIRE(output_stride, RANGE, d->output_stride >= d->units);
  if (is_rnn) {
    REQUIRE(cell, RANGE, d->cell == 0);
    REQUIRE(peephole, RANGE, d->peephole == 0);
  }
  if (id != EDGE_KERNEL_lstm_cell_f32) REQUIRE(norm, RANGE, d->norm == 0);
  REQUIRE(norm_bias, RANGE, (d->norm_bias != 0) == (d->norm != 0));
  return 0;
}

static edge_status check_numbers(const edge_cell_desc *d, edge_kernel_id id) {
  const int is_s8 = id == EDGE_KERNEL_lstm_cell_s8, peeps = is_s8 && d->peephole != 0;
  if (is_s8) {
    REQUIRE(activation, RANGE, d->activation == EDGE_CELL_TANH);
    REQUIRE(cell_clip, RANGE, d->cell_clip.i >= 0 && d->cell_clip.i <= INT16_MAX);
    REQUIRE(cell_shift, RANGE, d->cell_shift >= -15 && d->cell_shift <= -9);
    REQUIRE(hidden_zero_point, RANGE, d->hidden_zero_point >= -128 && d->hidden_zero_point <= 128);
  } else {
    REQUIRE(activation, RANGE, d->activation <= EDGE_CELL_TANH);
    REQUIRE(cell_clip, RANGE, d->cell_clip.f >= 0.0f); /* false for a NaN */
    REQUIRE(cell_shift, RANGE, d->cell_shift == 0);
    REQUIRE(hidden_zero_point, RANGE, d->hidden_zero_point == 0);
  }
  REQUIRE(input_multiplier, RANGE, scale_ok(d->input_multiplier, d->input_shift, peeps && d->gate_count == 4));
  REQUIRE(forget_multiplier, RANGE, scale_ok(d->forget_multiplier, d->forget_shift, peeps));
  REQUIRE(output_multiplier, RANGE, scale_ok(d->output_multiplier, d->output_shift, peeps));
  REQUIRE(hidden_multiplier, RANGE, scale_ok(d->hidden_multiplier, d->hidden_shift, is_s8));
  return 0;
}

static edge_status check_regions(const edge_cell_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const uint32_t inside = id == EDGE_KERNEL_lstm_cell_s8 ? 2 : 4, outside = id == EDGE_KERNEL_lstm_cell_s8 ? 1 : 4;
  const uint64_t results = (uint64_t)d->batch * d->units, weights = edge_mul(d->units, inside);
  const edge_region gates = edge_region_of(d->gates, edge_mul(edge_mul(results, d->gate_count), inside));
  const edge_region cell = edge_region_of(d->cell, id != EDGE_KERNEL_rnn_cell_f32 ? edge_mul(results, inside) : 0);
  const edge_region peephole =
      edge_region_of(d->peephole, d->peephole != 0 ? edge_mul(weights, d->gate_count - 1u) : 0);
  const edge_region norm = edge_region_of(d->norm, d->norm != 0 ? edge_mul(weights, d->gate_count) : 0);
  const edge_region norm_bias = edge_region_of(d->norm_bias, norm.bytes);
  const uint64_t extent = edge_add(edge_mul(d->batch - 1u, d->output_stride), d->units);
  const edge_region output = {edge_add(d->output, edge_mul(d->output_at, outside)),
                              d->output != 0 ? edge_mul(extent, outside) : 0};
  const edge_region kept = edge_region_of(d->kept, edge_mul(results, outside));
  REQUIRE_REGION(gates, inside);
  if (id != EDGE_KERNEL_rnn_cell_f32) REQUIRE_REGION(cell, inside);
  if (d->peephole != 0) REQUIRE_REGION(peephole, inside);
  if (d->norm != 0) {
    REQUIRE_REGION(norm, inside);
    REQUIRE_REGION(norm_bias, inside);
  }
  if (d->output != 0) REQUIRE_REGION(output, outside);
  REQUIRE_REGION(kept, outside);
  const edge_region others[] = {peephole, norm, norm_bias, gates, cell, kept};
  REQUIRE(gates, OVERLAP, edge_region_clear(gates, others, 3));
  REQUIRE(cell, OVERLAP, edge_region_clear(cell, others, 4));
  REQUIRE(kept, OVERLAP, edge_region_clear(kept, others, 5));
  REQUIRE(output, OVERLAP, edge_region_clear(output, others, 6));
  return 0;
}

static edge_status check(const edge_cell_desc *d, edge_kernel_id id, const edge_memory *memory) {
  edge_status status = check_sizes(d, id);
  if (status == 0) status = check_numbers(d, id);
  return status != 0 ? status : check_regions(d, id, memory);
}

static uint64_t rows(const void *desc) { return ((const edge_cell_desc *)desc)->batch; }

static uint64_t row_work(const void *desc) { return edge_mul(((const edge_cell_desc *)desc)->units, 512u); }

EDGE_PLAIN_ROW(cell, lstm_cell_s8, edge_qs8_lstm_cell__ref);
EDGE_PLAIN_ROW(cell, lstm_cell_f32, edge_f32_lstm_cell__ref);
EDGE_PLAIN_ROW(cell, rnn_cell_f32, edge_f32_rnn_cell__ref);
