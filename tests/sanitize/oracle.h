/* A second opinion on a descriptor: which fields break the contract of abi.h and the .def files, and for what reason.
 *
 * A provider must accept exactly the descriptors that break nothing, and name one of the broken fields otherwise.
 */
#ifndef EDGE_TEST_ORACLE_H
#define EDGE_TEST_ORACLE_H

#include "generate.h"

typedef struct verdict {
  uint32_t reasons[EDGE_MAX_DESC_BYTES / 4u]; /* by field: bit 1 << reason */
  int broken;
} verdict;

/* All of the contract but begin and end. */
verdict oracle_descriptor(const test_case *c, const arena *a);
/* begin and end. Only for descriptors that are whole otherwise. */
verdict oracle_rows(const test_case *c);

/* 1 if `status` is what a provider may answer: 0 for nothing broken, else the kernel, a broken field and why. */
int oracle_agrees(const verdict *v, const edge_kernel *k, edge_status status);

static inline uint32_t status_field(edge_status status) { return ((uint32_t)status >> 8) & 0xffu; }
static inline uint32_t status_reason(edge_status status) { return (uint32_t)status & 0xffu; }
static inline uint32_t status_kernel(edge_status status) { return (uint32_t)status >> 16; }

#endif
