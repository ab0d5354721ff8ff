/* Dense layers of int8 weights over rounded floats, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "hybrid_loops.inc"
