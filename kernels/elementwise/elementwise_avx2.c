/* Element-wise kernels, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "elementwise_loops.inc"
