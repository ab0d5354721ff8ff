/* Addition in Wasm simd128. */
#include "../common/lanes_wasm_simd128.h"
#define ADD_NAME edge_qs8_add__wasm_simd128
#include "add_lanes.inc"
