/* Mean in blocks, at the build's baseline: simd128, NEON or SSE2. */
#define MEAN_NAME(x) x##__blocks
#include "mean_blocks.inc"
