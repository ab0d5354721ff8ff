/* The cell of integer LSTMs, int8 outside and int16 inside.
 *
 * TFLite: lstm_eval.cc, UpdateLstmCellInteger and CalculateLstmOutputInteger8x8_16.
 */
#include "cell.h"

#include "../common/fixed_point.h"
#include "../common/fixed_point_s16.h"

static int16_t *shorts(uint8_t *base, uint32_t offset, size_t index) {
  return (int16_t *)(void *)(base + offset) + index;
}

/* MBQM whose second rounding, too, takes ties up: so the reference's vector form of peepholes does it. */
static int64_t scaled_ties_up(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift >= 0) return edge_mbqm(x, multiplier, shift);
  const int64_t high = ((int64_t)x * multiplier + (INT64_C(1) << 30)) >> 31;
  return (high + (INT64_C(1) << (-shift - 1))) >> -shift;
}

/* gate += weights * cell. */
static void peep(int16_t *gate, const int16_t *weights, const int16_t *cell, uint32_t count, int32_t multiplier,
                 int32_t shift) {
  for (uint32_t i = 0; i < count; i++) {
    const int64_t sum = (int64_t)gate[i] + scaled_ties_up((int32_t)weights[i] * cell[i], multiplier, shift);
    gate[i] = (int16_t)(sum > INT16_MAX ? INT16_MAX : (sum < INT16_MIN ? INT16_MIN : sum));
  }
}

static int16_t moved(const edge_cell_desc *d, int16_t cell, int16_t input, int16_t forget, int16_t update) {
  const int16_t left = edge_wrap_s16(edge_rounding_shift((int32_t)forget * cell, 15));
  const int16_t added = edge_wrap_s16(edge_rounding_shift((int32_t)input * update, 30 + d->cell_shift));
  const int16_t sum = edge_saturate_s16((int32_t)left + added);
  return d->cell_clip.i > 0 ? (int16_t)edge_clamp_s32(sum, -d->cell_clip.i, d->cell_clip.i) : sum;
}

static void step(const edge_cell_desc *d, uint8_t *base, uint32_t b) {
  const uint32_t n = d->units, first = d->gate_count - 3u; /* the forget gate */
  int16_t *gates = shorts(base, d->gates, (size_t)b * d->gate_count * n), *cell = shorts(base, d->cell, (size_t)b * n);
  int16_t *forget = gates + (size_t)first * n, *update = forget + n, *output_gate = update + n;
  int8_t *kept = (int8_t *)(base + d->kept) + (size_t)b * n;
  int8_t *output = d->output != 0 ? (int8_t *)(base + d->output) + d->output_at + (size_t)b * d->output_stride : kept;
  if (d->peephole != 0) {
    if (first != 0) peep(gates, shorts(base, d->peephole, 0), cell, n, d->input_multiplier, d->input_shift);
    peep(forget, shorts(base, d->peephole, (size_t)first * n), cell, n, d->forget_multiplier, d->forget_shift);
  }
  for (uint32_t i = 0; i < n; i++) {
    const int16_t stays = edge_logistic_s16(forget[i]);
    const int16_t input = first != 0 ? edge_logistic_s16(gates[i]) : (int16_t)(INT16_MAX - stays);
    cell[i] = moved(d, cell[i], input, stays, edge_tanh_s16(update[i], 3));
  }
  if (d->peephole != 0) {
    const int16_t *weights = shorts(base, d->peephole, (size_t)(first + 1u) * n);
    peep(output_gate, weights, cell, n, d->output_multiplier, d->output_shift);
  }
  for (uint32_t i = 0; i < n; i++) {
    const int32_t product = (int32_t)edge_logistic_s16(output_gate[i]) * edge_tanh_s16(cell[i], 15 + d->cell_shift);
    output[i] = kept[i] =
        edge_requantize_s8(product, d->hidden_multiplier, d->hidden_shift, d->hidden_zero_point, -128, 127);
  }
}

void edge_qs8_lstm_cell__ref(const edge_cell_desc *d, uint8_t *base) {
  for (uint32_t b = d->begin; b < d->end; b++) step(d, base, b);
}
