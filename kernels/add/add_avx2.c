/* Addition in AVX2. */
#include "../common/lanes_avx2.h"
#define ADD_S8 edge_qs8_add__avx2
#define ADD_F32 edge_f32_add__avx2
#include "add_lanes.inc"
