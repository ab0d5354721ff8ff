/* Known-bad cases: a valid one with a single defect of a known class. */
#ifndef EDGE_TEST_FUZZ_BAD_H
#define EDGE_TEST_FUZZ_BAD_H

#include "oracle.h"

typedef struct defect {
  const char *name;
  /* Spoils the stored case; the field at fault, or -1 if this kernel cannot have the defect. */
  int (*spoil)(rng *r, arena *a, test_case *c);
  int exact; /* only the field at fault (or its partner) may be named, not one that breaks with it */
  int whole; /* needs a memory of 4 GiB */
} defect;

/* fuzz_wraps.c */
int fuzz_extent_wraps(rng *r, arena *a, test_case *c);

extern const defect DEFECTS[];
extern const uint32_t DEFECT_COUNT;

#endif
