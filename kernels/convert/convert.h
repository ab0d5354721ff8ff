/* Conversions between types, inside. */
#ifndef EDGE_CONVERT_H
#define EDGE_CONVERT_H

#include "../abi/kernel.h"

typedef enum edge_convert_type {
  EDGE_CONVERT_F32,
  EDGE_CONVERT_F16,
  EDGE_CONVERT_S8,
  EDGE_CONVERT_U8,
  EDGE_CONVERT_S16,
  EDGE_CONVERT_S32,
  EDGE_CONVERT_S64,
  EDGE_CONVERT_BOOL,
  EDGE_CONVERT_TYPES
} edge_convert_type;

typedef void edge_convert_kernel(const edge_convert_desc *d, uint8_t *base);
edge_convert_kernel edge_cast__ref, edge_rescale__ref, edge_f32_s16_quantize__ref, edge_s16_f32_dequantize__ref;

#endif
