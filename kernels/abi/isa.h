/* The instruction sets a kernel can be built for, and which of them this build has and this CPU can run. */
#ifndef EDGE_ISA_H
#define EDGE_ISA_H

#include <stdint.h>

typedef enum edge_isa {
#define EDGE_ISA(number, name, text) EDGE_ISA_##name = number,
#include "isa.def"
} edge_isa;

/* Best ISA of this build that this CPU runs; EDGE_ISA_REF if none is fast. In a Wasm build: the build's own. */
edge_isa edge_isa_best(void);

/* 1 if this build holds kernels for `isa` and this CPU can run them. EDGE_ISA_REF is always there. */
int edge_isa_usable(edge_isa isa);

/* "avx512vnni" for EDGE_ISA_AVX512VNNI; "?" for an unknown number. */
const char *edge_isa_name(edge_isa isa);

#endif
