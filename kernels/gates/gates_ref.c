/* A recurrent layer's dense part, as every build has it. */
#define EDGE_FORM(name) name##__ref
#include "gates_loops.inc"
