/* Addition in AVX-512. */
#include "../common/lanes_avx512.h"
#define ADD_S8 edge_qs8_add__avx512vnni
#define ADD_F32 edge_f32_add__avx512vnni
#include "add_lanes.inc"
