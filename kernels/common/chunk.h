/* Results that wait in a buffer of EDGE_CHUNK values cannot be what is read, and numbers of a descriptor in variables
 * cannot be what is written: loops from the one to the other become vectors, also where a kernel works in place. */
#ifndef EDGE_CHUNK_H
#define EDGE_CHUNK_H

#include <stdint.h>

#define EDGE_CHUNK 64u

static inline uint32_t edge_chunk_of(uint32_t left) { return left < EDGE_CHUNK ? left : EDGE_CHUNK; }

#endif
