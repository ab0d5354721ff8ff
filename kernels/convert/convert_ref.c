/* Conversions between types: through int64 or float64, which hold every number of the others. */
#include "convert.h"

#include "../common/fixed_point.h"
#include "../common/math_f32.h"

enum { CHUNK = 64 };

/* A few elements on their way, as one or the other. */
typedef struct numbers {
  int64_t whole[CHUNK];
  double real[CHUNK];
} numbers;

static inline float f32_of_f16(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31u, mantissa = h & 1023u;
  if (exponent == 31u) return edge_f32_of_bits(sign | 0x7f800000u | mantissa << 13);
  const float size = exponent == 0 ? (float)mantissa * 5.9604644775390625e-8f /* 2^-24 */
                                   : edge_f32_of_bits((exponent + 112u) << 23 | mantissa << 13);
  return sign != 0 ? -size : size;
}

#define LOAD(code, TYPE, to, expression)                                  \
  case EDGE_CONVERT_##code:                                               \
    for (uint32_t i = 0; i < n; i++) {                                    \
      const TYPE x = ((const TYPE *)(const void *)(base + from))[at + i]; \
      to[i] = (expression);                                               \
    }                                                                     \
    break;

/* 1 if the type is a float. */
static int load(numbers *to, const uint8_t *base, uint32_t from, uint32_t type, size_t at, uint32_t n) {
  switch (type) {
    LOAD(F32, float, to->real, (double)x)
    LOAD(F16, uint16_t, to->real, (double)f32_of_f16(x))
    LOAD(S8, int8_t, to->whole, x)
    LOAD(U8, uint8_t, to->whole, x)
    LOAD(S16, int16_t, to->whole, x)
    LOAD(S32, int32_t, to->whole, x)
    LOAD(S64, int64_t, to->whole, x)
    default:
      LOAD(BOOL, uint8_t, to->whole, x != 0)
  }
  return type <= EDGE_CONVERT_F16;
}

/* Cut to a whole number from low to high, where `past` is the first float above; NaN is high. */
static inline int64_t held(double x, int64_t low, int64_t high, double past) {
  return x >= past || x != x ? high : (x < (double)low ? low : (int64_t)x);
}

#define STORE(code, TYPE, of_whole, of_real)                                        \
  case EDGE_CONVERT_##code: {                                                       \
    TYPE *to = (TYPE *)(void *)(base + output) + at;                                \
    for (uint32_t i = 0; i < n; i++) to[i] = (TYPE)(real ? (of_real) : (of_whole)); \
    break;                                                                          \
  }
#define STORE_INTEGER(code, TYPE, low, high, past) \
  STORE(code, TYPE, from->whole[i], held(from->real[i], low, high, past))

static void store(const numbers *from, int real, uint8_t *base, uint32_t output, uint32_t type, size_t at, uint32_t n) {
  switch (type) {
    case EDGE_CONVERT_F32: {
      float *to = (float *)(void *)(base + output) + at;
      for (uint32_t i = 0; i < n; i++) to[i] = real ? (float)from->real[i] : (float)from->whole[i];
      break;
    }
      STORE_INTEGER(S8, int8_t, INT8_MIN, INT8_MAX, 128.0)
      STORE_INTEGER(U8, uint8_t, 0, UINT8_MAX, 256.0)
      STORE_INTEGER(S16, int16_t, INT16_MIN, INT16_MAX, 32768.0)
      STORE_INTEGER(S32, int32_t, INT32_MIN, INT32_MAX, 2147483648.0)
      STORE_INTEGER(S64, int64_t, INT64_MIN, INT64_MAX, 9223372036854775808.0)
    default:
      STORE(BOOL, uint8_t, from->whole[i] != 0, from->real[i] != 0.0)
  }
}

void edge_cast__ref(const edge_convert_desc *d, uint8_t *base) {
  numbers chunk;
  for (uint32_t i = d->begin, n; i < d->end; i += n) {
    n = d->end - i < CHUNK ? d->end - i : CHUNK;
    const int real = load(&chunk, base, d->input, d->from, i, n);
    store(&chunk, real, base, d->output, d->to, i, n);
  }
}

static inline int64_t clamped(int64_t x, uint32_t type) {
  const int64_t bound = type == EDGE_CONVERT_S8 ? INT8_MAX : (type == EDGE_CONVERT_S16 ? INT16_MAX : INT32_MAX);
  return x < -bound - 1 ? -bound - 1 : (x > bound ? bound : x);
}

void edge_rescale__ref(const edge_convert_desc *d, uint8_t *base) {
  numbers chunk;
  for (uint32_t i = d->begin, n; i < d->end; i += n) {
    n = d->end - i < CHUNK ? d->end - i : CHUNK;
    (void)load(&chunk, base, d->input, d->from, i, n);
    for (uint32_t k = 0; k < n; k++) {
      const int32_t centred = (int32_t)((uint32_t)chunk.whole[k] - (uint32_t)d->input_zero_point);
      const int64_t y = (int64_t)edge_mbqm(centred, d->multiplier, d->shift) + d->output_zero_point;
      chunk.whole[k] = clamped(y, d->to);
    }
    store(&chunk, 0, base, d->output, d->to, i, n);
  }
}

/* x rounded half away from zero. Beyond +-100000 no int16 clamp can tell values apart; NaN is 0. */
static inline int32_t round_limited(float x) {
  const float limited = x > -100000.0f ? (x < 100000.0f ? x : 100000.0f) : (x == x ? -100000.0f : 0.0f);
  const int32_t whole = (int32_t)limited;
  const float rest = limited - (float)whole; /* exact */
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void edge_f32_s16_quantize__ref(const edge_convert_desc *d, uint8_t *base) {
  const float *input = (const float *)(const void *)(base + d->input);
  int16_t *output = (int16_t *)(void *)(base + d->output);
  for (uint32_t i = d->begin; i < d->end; i++) {
    output[i] = (int16_t)edge_clamp_s32(round_limited(input[i] / d->scale) + d->output_zero_point, -32768, 32767);
  }
}

void edge_s16_f32_dequantize__ref(const edge_convert_desc *d, uint8_t *base) {
  const int16_t *input = (const int16_t *)(const void *)(base + d->input);
  float *output = (float *)(void *)(base + d->output);
  for (uint32_t i = d->begin; i < d->end; i++) {
    output[i] = (float)((double)d->scale * (input[i] - d->input_zero_point));
  }
}
