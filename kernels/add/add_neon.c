/* Addition in NEON. */
#include "../common/lanes_neon.h"
#define ADD_NAME edge_qs8_add__neon
#include "add_lanes.inc"
