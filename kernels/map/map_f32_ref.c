/* Float operations. The loops without calls are plain enough for every build's vectoriser. */
#include "../common/fixed_point.h"
#include "../common/elementary.h"
#include "map.h"

static inline float floor_mod(float x, float y) {
  const float rest = edge_fmodf(x, y);
  return rest != 0.0f && (rest < 0.0f) != (y < 0.0f) ? rest + y : rest;
}

static inline float gelu(float x) { return 0.5f * x * (float)edge_erfc_f64((double)(x * -0.70710678f)); }

static inline float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + edge_tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

static inline float hard_swish(float x) { return x * edge_clamp_f32(x + 3.0f, 0.0f, 6.0f) / 6.0f; }

#define EACH(name, expression)                         \
  case EDGE_MAP_##name:                                \
    for (uint32_t i = 0; i < n; i++) {                 \
      const float x = a[i], y = b[i];                  \
      (void)y;                                         \
      to[i] = edge_clamp_f32((expression), low, high); \
    }                                                  \
    break;

void edge_f32_map__ref(const edge_map_desc *d, const void *first, const void *second, void *output, uint32_t n) {
  const float *a = first, *b = second;
  const float low = d->act_min.f, high = d->act_max.f;
  float *to = output;
  switch (d->operation) {
    EACH(ADD, x + y)
    EACH(SUB, x - y)
    EACH(MUL, x * y)
    EACH(DIV, x / y)
    EACH(MAXIMUM, x > y ? x : y)
    EACH(MINIMUM, x < y ? x : y)
    EACH(SQUARED_DIFFERENCE, (x - y) * (x - y))
    EACH(POW, edge_powf(x, y))
    EACH(FLOOR_DIV, (float)edge_floor_f64((double)x / (double)y))
    EACH(FLOOR_MOD, floor_mod(x, y))
    EACH(ATAN2, edge_atan2f(x, y))
    EACH(PRELU, x >= 0.0f ? x : x * y)
    EACH(ABS, edge_f32_of_bits(edge_bits_of_f32(x) & 0x7fffffffu))
    EACH(NEGATIVE, -x)
    EACH(SIGN, (float)((x > 0.0f) - (x < 0.0f)))
    EACH(SQUARE, x * x)
    EACH(SQRT, __builtin_sqrtf(x))
    EACH(RSQRT, 1.0f / __builtin_sqrtf(x))
    EACH(EXP, edge_expf(x))
    EACH(LOG, (float)edge_log_f64(x))
    EACH(SIN, edge_sinf(x))
    EACH(COS, edge_cosf(x))
    EACH(TANH, edge_tanhf(x))
    EACH(LOGISTIC, 1.0f / (1.0f + edge_expf(-x)))
    EACH(FLOOR, edge_floor_f32(x))
    EACH(CEIL, edge_ceil_f32(x))
    EACH(ROUND, edge_round_even_f32(x))
    EACH(ELU, x < 0.0f ? edge_expm1f(x) : x)
    EACH(GELU, gelu(x))
    EACH(GELU_TANH, gelu_tanh(x))
    EACH(HARD_SWISH, hard_swish(x))
    EACH(LEAKY_RELU, x > 0.0f ? x : x * d->alpha)
    default:
      break;
  }
}
