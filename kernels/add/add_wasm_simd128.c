/* Addition in Wasm simd128. */
#include "../common/lanes_wasm_simd128.h"
#define ADD_S8 edge_qs8_add__wasm_simd128
#define ADD_F32 edge_f32_add__wasm_simd128
#include "add_lanes.inc"
