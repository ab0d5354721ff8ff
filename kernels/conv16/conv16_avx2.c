/* Convolutions of int16, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "conv16_loops.inc"
