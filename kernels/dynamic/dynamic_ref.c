/* Dynamic quantisation, as every build has them. */
#define EDGE_FORM(name) name##__ref
#include "dynamic_loops.inc"
