/* Pools in blocks, for AVX2. */
#define POOL_NAME(op) edge_##op##__avx2
#include "pool_blocks.inc"
