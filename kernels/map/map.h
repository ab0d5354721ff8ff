/* Functions of one or two elements, inside.
 *
 * Which kernel takes which operation:
 *
 *   ADD .. MINIMUM, SQUARED_DIFFERENCE .. FLOOR_MOD   map_f32, s32, s64 (clamped to act_min .. act_max); s8 and s16 on
 *                                                     plain numbers, which wrap
 *   ATAN2, PRELU, SQUARE .. LEAKY_RELU                map_f32
 *   AND .. SHIFT_RIGHT_UNSIGNED                       map_s8 (bool and uint8 too), s16, s32
 *   ABS, NEGATIVE, SIGN                               map_f32, s32, s64
 *   STEPS_...                                         map_s8, s16: quantised, with all the numbers
 *   EQUAL .. GREATER_EQUAL                            compare_*; STEPS_EQUAL ...: compare_s8, each operand as
 *                                                     MBQM((x - zero_point) << left, multiplier, shift)
 * Division by zero gives 0 for integers.
 */
#ifndef EDGE_MAP_H
#define EDGE_MAP_H

#include "../abi/kernel.h"

typedef enum edge_map_operation {
  EDGE_MAP_ADD,
  EDGE_MAP_SUB,
  EDGE_MAP_MUL,
  EDGE_MAP_DIV,
  EDGE_MAP_MAXIMUM,
  EDGE_MAP_MINIMUM,
  EDGE_MAP_SQUARED_DIFFERENCE,
  EDGE_MAP_POW,
  EDGE_MAP_FLOOR_DIV,
  EDGE_MAP_FLOOR_MOD,
  EDGE_MAP_ATAN2,
  EDGE_MAP_PRELU,
  EDGE_MAP_AND,
  EDGE_MAP_OR,
  EDGE_MAP_XOR,
  EDGE_MAP_SHIFT_RIGHT,
  EDGE_MAP_SHIFT_RIGHT_UNSIGNED,
  EDGE_MAP_ABS,
  EDGE_MAP_NEGATIVE,
  EDGE_MAP_SIGN,
  EDGE_MAP_SQUARE,
  EDGE_MAP_SQRT,
  EDGE_MAP_RSQRT,
  EDGE_MAP_EXP,
  EDGE_MAP_LOG,
  EDGE_MAP_SIN,
  EDGE_MAP_COS,
  EDGE_MAP_TANH,
  EDGE_MAP_LOGISTIC,
  EDGE_MAP_FLOOR,
  EDGE_MAP_CEIL,
  EDGE_MAP_ROUND,
  EDGE_MAP_ELU,
  EDGE_MAP_GELU,
  EDGE_MAP_GELU_TANH,
  EDGE_MAP_HARD_SWISH,
  EDGE_MAP_LEAKY_RELU,
  /* clamp(MBQM(MBQM((a - za) << left, a_...) +- (same for b), multiplier, shift) + zo) */
  EDGE_MAP_STEPS_ADD,
  EDGE_MAP_STEPS_SUB,
  /* clamp(MBQM((a - za) * (b - zb), multiplier, shift) + zo) */
  EDGE_MAP_STEPS_MUL,
  /* clamp((a - za) / (b - zb) * multiplier, by TFLite's fixed-point reciprocal + zo) */
  EDGE_MAP_STEPS_DIV,
  /* the difference as in STEPS_SUB, squared, then as in STEPS_MUL */
  EDGE_MAP_STEPS_SQUARED_DIFFERENCE,
  /* clamp(a >= za ? MBQM(a - za, a_...) : MBQM((a - za) * (b - zb), multiplier, shift) + zo) */
  EDGE_MAP_STEPS_PRELU,
  /* s16: clamp(a / 2^-a_shift +- b / 2^-b_shift), ties away from zero: scales that are powers of two */
  EDGE_MAP_STEPS_SHIFTED_ADD,
  EDGE_MAP_STEPS_SHIFTED_SUB,
  EDGE_MAP_EQUAL,
  EDGE_MAP_NOT_EQUAL,
  EDGE_MAP_LESS,
  EDGE_MAP_LESS_EQUAL,
  EDGE_MAP_GREATER,
  EDGE_MAP_GREATER_EQUAL,
  EDGE_MAP_STEPS_EQUAL,
  EDGE_MAP_STEPS_NOT_EQUAL,
  EDGE_MAP_STEPS_LESS,
  EDGE_MAP_STEPS_LESS_EQUAL,
  EDGE_MAP_STEPS_GREATER,
  EDGE_MAP_STEPS_GREATER_EQUAL,
  EDGE_MAP_OPERATIONS
} edge_map_operation;

/* One line of n elements; output may be a or b where their types are equal. */
typedef void edge_map_line(const edge_map_desc *d, const void *a, const void *b, void *output, uint32_t n);
edge_map_line edge_f32_map__ref, edge_s8_map__ref, edge_s16_map__ref, edge_s32_map__ref, edge_s64_map__ref;
edge_map_line edge_f32_compare__ref, edge_s8_compare__ref, edge_s16_compare__ref, edge_s32_compare__ref,
    edge_s64_compare__ref;

#endif
