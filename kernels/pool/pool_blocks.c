/* Pools in blocks, at the build's baseline: simd128, NEON or SSE2. */
#define POOL_NAME(op) edge_##op##__blocks
#include "pool_blocks.inc"
