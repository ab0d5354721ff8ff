/* A recurrent layer's dense part, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "gates_loops.inc"
