/* Products of two computed matrices, as every build has them. */
#define EDGE_FORM(name) name##__ref
#include "matmul_loops.inc"
