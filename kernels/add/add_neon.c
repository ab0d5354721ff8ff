/* Addition in NEON. */
#include "../common/lanes_neon.h"
#define ADD_S8 edge_qs8_add__neon
#define ADD_F32 edge_f32_add__neon
#include "add_lanes.inc"
