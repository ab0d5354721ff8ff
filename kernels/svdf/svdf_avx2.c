/* SVDF, for AVX2. */
#define EDGE_FORM(name) name##__avx2
#include "svdf_loops.inc"
