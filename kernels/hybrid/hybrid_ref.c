/* Dense layers of int8 weights over rounded floats, as every build has it. */
#define EDGE_FORM(name) name##__ref
#include "hybrid_loops.inc"
