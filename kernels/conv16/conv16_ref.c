/* Convolutions of int16, as every build has them. */
#define EDGE_FORM(name) name##__ref
#include "conv16_loops.inc"
