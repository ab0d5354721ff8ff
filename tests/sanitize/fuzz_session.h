/* Defects of the order of calls, on a valid case: not prepared, changed since, rows out of range, a storm of prepares.
 */
#ifndef EDGE_TEST_FUZZ_SESSION_H
#define EDGE_TEST_FUZZ_SESSION_H

#include "fuzz_bench.h"

typedef struct session {
  const char *name;
  void (*run)(bench *b);
  int packed, plain; /* the kernels that can have it */
  int slow;          /* only now and then */
} session;

extern const session SESSIONS[];
extern const uint32_t SESSION_COUNT;

#endif
