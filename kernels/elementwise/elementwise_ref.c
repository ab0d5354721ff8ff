/* Element-wise kernels, as every build has them. */
#define EDGE_FORM(name) name##__ref
#include "elementwise_loops.inc"
