/* The parts of linear memory a descriptor points at, computed from the .def files' words, apart from the kernels. */
#ifndef EDGE_TEST_REGIONS_H
#define EDGE_TEST_REGIONS_H

#include "fields.h"

typedef enum region_role {
  REGION_READ,
  REGION_WRITTEN,          /* the output */
  REGION_WRITTEN_IN_PLACE, /* the output, which may be exactly a region read */
  REGION_SANDBOX,          /* packed weights and scratch of a packed kernel: the host leaves it alone */
  REGION_SCRATCH,          /* work area of both providers */
} region_role;

typedef enum region_type { TYPE_BYTES, TYPE_S8, TYPE_S32, TYPE_F32, TYPE_F64, TYPE_U32 } region_type;

typedef struct case_region {
  uint32_t field; /* of the offset */
  region_role role;
  region_type type;
  uint32_t align;
  extent at; /* bytes saturate */
} case_region;

#define MAX_REGIONS 9u

/* Fills `regions` in the order of the fields and returns how many. An absent bias is none. */
uint32_t regions_of(const edge_kernel *k, const uint32_t *words, case_region *regions);

static inline int region_is_written(const case_region *r) {
  return r->role == REGION_WRITTEN || r->role == REGION_WRITTEN_IN_PLACE;
}

/* Regions a call on the host may change. */
static inline int region_may_change(const case_region *r) { return region_is_written(r) || r->role == REGION_SCRATCH; }

#endif
