/* SVDF, the truth and the only form: its sums are plain enough for every build's vectoriser.
 *
 * TFLite: internal/reference/svdf.h, EvalIntegerSVDF and EvalFloatSVDF.
 */
#include "svdf.h"

#include "../common/dot.h"
#include "../common/fixed_point.h"

static int16_t clamp_s16(int32_t x) { return (int16_t)edge_clamp_s32(x, INT16_MIN, INT16_MAX); }

/* Forget the oldest of a filter's memories, remember `newest`, and return what `time` makes of them, modulo 2^32. In
 * one loop: a loop that only moves would become a call. */
static uint32_t remember_s16(int16_t *memories, const int16_t *time, size_t count, int16_t newest) {
  uint32_t sum = 0;
  for (size_t t = 1; t < count; t++) {
    const int16_t kept = memories[t];
    memories[t - 1] = kept;
    sum += (uint32_t)((int32_t)kept * time[t - 1]);
  }
  memories[count - 1] = newest;
  return sum + (uint32_t)((int32_t)newest * time[count - 1]);
}

static void remember_f32(float *memories, size_t count, float newest) {
  for (size_t t = 1; t < count; t++) memories[t - 1] = memories[t];
  memories[count - 1] = newest;
}

void edge_qs8_svdf__ref(const edge_svdf_desc *d, uint8_t *base) {
  const size_t filters = (size_t)d->units * d->rank;
  const int8_t *filter = (const int8_t *)(base + d->filter);
  const int16_t *time = (const int16_t *)(const void *)(base + d->time);
  const uint32_t *bias = (const uint32_t *)(const void *)(base + d->bias);
  for (uint32_t b = 0; b < d->batch; b++) {
    const int8_t *x = (const int8_t *)(base + d->input) + (size_t)b * d->input_c;
    int16_t *state = (int16_t *)(void *)(base + d->state) + b * filters * d->memory;
    int8_t *output = (int8_t *)(base + d->output) + (size_t)b * d->units;
    for (uint32_t u = d->begin; u < d->end; u++) {
      uint32_t sum = d->bias != 0 ? bias[u] : 0;
      for (size_t f = (size_t)u * d->rank; f < (size_t)(u + 1u) * d->rank; f++) {
        int16_t *memories = state + f * d->memory;
        const int32_t product = (int32_t)edge_dot_s8(x, filter + f * d->input_c, d->input_c, d->input_zero_point);
        const int16_t newest = clamp_s16(edge_mbqm(product, d->multiplier, d->shift));
        sum += remember_s16(memories, time + f * d->memory, d->memory, newest);
      }
      output[u] = edge_requantize_s8((int32_t)sum, d->output_multiplier, d->output_shift, d->output_zero_point,
                                     d->act_min.i, d->act_max.i);
    }
  }
}

void edge_f32_svdf__ref(const edge_svdf_desc *d, uint8_t *base) {
  const size_t filters = (size_t)d->units * d->rank;
  const float *filter = (const float *)(const void *)(base + d->filter);
  const float *time = (const float *)(const void *)(base + d->time);
  const float *bias = (const float *)(const void *)(base + d->bias);
  for (uint32_t b = 0; b < d->batch; b++) {
    const float *x = (const float *)(const void *)(base + d->input) + (size_t)b * d->input_c;
    float *state = (float *)(void *)(base + d->state) + b * filters * d->memory;
    float *output = (float *)(void *)(base + d->output) + (size_t)b * d->units;
    for (uint32_t u = d->begin; u < d->end; u++) {
      float sum = 0.0f;
      for (size_t f = (size_t)u * d->rank; f < (size_t)(u + 1u) * d->rank; f++) {
        float *memories = state + f * d->memory;
        const float newest = d->filter != 0 ? edge_dot_f32(x, filter + f * d->input_c, d->input_c) : x[f];
        remember_f32(memories, d->memory, newest);
        sum += edge_dot_f32(memories, time + f * d->memory, d->memory);
      }
      if (d->bias != 0) sum += bias[u];
      output[u] = edge_clamp_f32(sum, d->act_min.f, d->act_max.f);
    }
  }
}
