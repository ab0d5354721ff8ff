/* SVDF, as every build has it. */
#define EDGE_FORM(name) name##__ref
#include "svdf_loops.inc"
