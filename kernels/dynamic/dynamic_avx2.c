/* Dynamic quantisation, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "dynamic_loops.inc"
