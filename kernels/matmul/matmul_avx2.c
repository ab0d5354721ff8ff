/* Products of two computed matrices, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "matmul_loops.inc"
