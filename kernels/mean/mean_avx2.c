/* Mean in blocks, for AVX2. */
#define MEAN_NAME(x) x##__avx2
#include "mean_blocks.inc"
