/* The 8-bit steps that float values are rounded to when their own range decides, as TFLite chooses them.
 *
 * TFLite: internal/reference/portable_tensor_utils.cc, SymmetricQuantizeFloats and AsymmetricQuantizeFloats. Which
 * type each step has decides about the last bit, so it is the same here.
 */
#ifndef EDGE_DYNAMIC_GRID_H
#define EDGE_DYNAMIC_GRID_H

#include <stddef.h>
#include <stdint.h>

/* Values whose range is found at once: edge_sdk.abi knows this number too. */
#define EDGE_DYNAMIC_BLOCK 4096u

static inline uint32_t edge_dynamic_blocks(uint32_t count) { return (count - 1u) / EDGE_DYNAMIC_BLOCK + 1u; }

/* q = round(zero_point + x * inverse), within least .. 127. */
typedef struct edge_dynamic_grid {
  float scale, inverse, zero_point, least;
} edge_dynamic_grid;

static inline edge_dynamic_grid edge_symmetric_grid(float low, float high) {
  const float range = -low > high ? -low : high;
  const edge_dynamic_grid none = {0.0f, 0.0f, 0.0f, -127.0f};
  if (range == 0.0f) return none;
  const edge_dynamic_grid g = {range / 127.0f, 127.0f / range, 0.0f, -127.0f};
  return g;
}

/* The end of the range with the smaller rounding error says where zero lies. */
static inline float edge_nudged_zero_point(double low, double high, double scale) {
  const double from_low = -128.0 - low / scale, from_high = 127.0 - high / scale;
  const double low_error = 128.0 - low / scale, high_error = 127.0 + high / scale;
  const double zero_point = low_error < high_error ? from_low : from_high;
  if (!(zero_point > -128.0)) return -128.0f; /* also for a NaN, from a range that is infinite */
  if (zero_point >= 127.0) return 127.0f;
  return (float)(int32_t)(zero_point + (zero_point < 0.0 ? -0.5 : 0.5));
}

static inline edge_dynamic_grid edge_asymmetric_grid(float low, float high) {
  const edge_dynamic_grid none = {0.0f, 0.0f, 0.0f, -128.0f};
  if (low == high) return none;
  const double scale = ((double)high - (double)low) / 255.0;
  const float stored = (float)scale;
  const edge_dynamic_grid g = {stored, stored == 0.0f ? 0.0f : (float)(1.0 / (double)stored),
                               edge_nudged_zero_point(low, high, scale), -128.0f};
  return g;
}

/* Steps of values whose blocks' [low, high] are `ranges`. */
static inline edge_dynamic_grid edge_dynamic_grid_of(const float *ranges, uint32_t blocks, uint32_t symmetric) {
  float low = 0.0f, high = 0.0f;
  for (size_t i = 0; i < blocks; i++) {
    low = ranges[2u * i] < low ? ranges[2u * i] : low;
    high = ranges[2u * i + 1u] > high ? ranges[2u * i + 1u] : high;
  }
  return symmetric ? edge_symmetric_grid(low, high) : edge_asymmetric_grid(low, high);
}

#endif
