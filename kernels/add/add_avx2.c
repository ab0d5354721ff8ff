/* Addition in AVX2. */
#include "../common/lanes_avx2.h"
#define ADD_NAME edge_qs8_add__avx2
#include "add_lanes.inc"
