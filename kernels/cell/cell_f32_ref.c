/* Cells of float layers.
 *
 * TFLite: lstm_eval.cc, UpdateLstmCellFloat and CalculateLstmOutputFloat; MeanStddevNormalization.
 */
#include "cell.h"

#include "../common/fixed_point.h"
#include "../common/math_f32.h"

static float sigmoid(float x) { return 1.0f / (1.0f + edge_expf(-x)); }

/* Absolute error below 2e-7. */
static float hyperbolic_tangent(float x) {
  const float e = edge_expf(-2.0f * (x < 0.0f ? -x : x));
  const float y = (1.0f - e) / (1.0f + e);
  return x < 0.0f ? -y : y;
}

static float activated(uint32_t activation, float x) {
  switch (activation) {
    case EDGE_CELL_RELU:
      return x < 0.0f ? 0.0f : x;
    case EDGE_CELL_RELU_N1_TO_1:
      return edge_clamp_f32(x, -1.0f, 1.0f);
    case EDGE_CELL_RELU6:
      return edge_clamp_f32(x, 0.0f, 6.0f);
    case EDGE_CELL_TANH:
      return hyperbolic_tangent(x);
    default:
      return x;
  }
}

/* gate += weights * cell. */
static void peep(float *gate, const float *weights, const float *cell, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) gate[i] += weights[i] * cell[i];
}

/* 1 / sqrt(x) for finite x > 0: a first guess from the bits, then Newton's steps; there is no libm. */
static double reciprocal_sqrt(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits = UINT64_C(0x5fe6eb50c7b537a9) - (bits >> 1);
  double y;
  __builtin_memcpy(&y, &bits, sizeof y);
  for (int turn = 0; turn < 4; turn++) y *= 1.5 - 0.5 * x * y * y;
  return y;
}

static void normalise(float *gate, const float *norm, const float *bias, uint32_t count) {
  double sum = 0.0, squares = 0.0;
  for (uint32_t i = 0; i < count; i++) sum += (double)gate[i];
  const float mean = (float)(sum / count);
  for (uint32_t i = 0; i < count; i++) squares += (double)(gate[i] - mean) * (double)(gate[i] - mean);
  const float factor = (float)reciprocal_sqrt(squares / count + 1e-8);
  for (uint32_t i = 0; i < count; i++) gate[i] = (gate[i] - mean) * factor * norm[i] + bias[i];
}

static float *floats(uint8_t *base, uint32_t offset, size_t index) { return (float *)(void *)(base + offset) + index; }

/* Where sample b of the results goes; both places are the same where there is only one. */
static void places(const edge_cell_desc *d, uint8_t *base, uint32_t b, float **output, float **kept) {
  *kept = floats(base, d->kept, (size_t)b * d->units);
  *output = d->output != 0 ? floats(base, d->output, d->output_at + (size_t)b * d->output_stride) : *kept;
}

static void step(const edge_cell_desc *d, uint8_t *base, uint32_t b) {
  const uint32_t n = d->units, first = d->gate_count - 3u; /* the forget gate */
  float *gates = floats(base, d->gates, (size_t)b * d->gate_count * n), *cell = floats(base, d->cell, (size_t)b * n);
  float *forget = gates + (size_t)first * n, *update = forget + n, *output_gate = update + n;
  float *output, *kept;
  places(d, base, b, &output, &kept);
  for (uint32_t g = 0; d->peephole != 0 && g <= first; g++) {
    peep(gates + (size_t)g * n, floats(base, d->peephole, (size_t)g * n), cell, n);
  }
  for (uint32_t g = 0; d->norm != 0 && g < d->gate_count - 1u; g++) {
    const size_t at = (size_t)g * n;
    normalise(gates + at, floats(base, d->norm, at), floats(base, d->norm_bias, at), n);
  }
  for (uint32_t i = 0; i < n; i++) {
    const float kept_part = sigmoid(forget[i]);
    const float input = first != 0 ? sigmoid(gates[i]) : 1.0f - kept_part;
    const float moved = kept_part * cell[i] + input * activated(d->activation, update[i]);
    cell[i] = d->cell_clip.f > 0.0f ? edge_clamp_f32(moved, -d->cell_clip.f, d->cell_clip.f) : moved;
  }
  if (d->peephole != 0) peep(output_gate, floats(base, d->peephole, (size_t)(first + 1u) * n), cell, n);
  if (d->norm != 0) {
    const size_t at = (size_t)(first + 2u) * n;
    normalise(output_gate, floats(base, d->norm, at), floats(base, d->norm_bias, at), n);
  }
  for (uint32_t i = 0; i < n; i++) output[i] = kept[i] = sigmoid(output_gate[i]) * activated(d->activation, cell[i]);
}

void edge_f32_lstm_cell__ref(const edge_cell_desc *d, uint8_t *base) {
  for (uint32_t b = d->begin; b < d->end; b++) step(d, base, b);
}

void edge_f32_rnn_cell__ref(const edge_cell_desc *d, uint8_t *base) {
  for (uint32_t b = d->begin; b < d->end; b++) {
    const float *gate = floats(base, d->gates, (size_t)b * d->units);
    float *output, *kept;
    places(d, base, b, &output, &kept);
    for (uint32_t i = 0; i < d->units; i++) output[i] = kept[i] = activated(d->activation, gate[i]);
  }
}
