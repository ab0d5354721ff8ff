/* Random descriptors that keep every rule of the .def files, with their tensors laid out in an arena. */
#ifndef EDGE_TEST_GENERATE_H
#define EDGE_TEST_GENERATE_H

#include "arena.h"
#include "regions.h"
#include "rng.h"

/* Kernels 1 .. KERNEL_COUNT have rules of their own here (fields.h); the others are fuzzed by fuzz_corpus.c. */
#define KERNEL_COUNT 21u

typedef struct test_case {
  const edge_kernel *kernel;
  uint32_t words[EDGE_MAX_DESC_BYTES / 4u]; /* as they lie at `descriptor` */
  uint32_t descriptor;
  case_region regions[MAX_REGIONS];
  uint32_t region_count;
  int extreme; /* tables reach for the ends: sums that wrap, shifts that lose everything */
} test_case;

typedef enum case_style {
  CASE_COMPARE, /* values on which all ISAs must agree: no NaN where sums meet it */
  CASE_ANY,     /* every value a rule allows */
  CASE_HEAVY,   /* as CASE_ANY; all rows together are more work than one call may do */
} case_style;

/* Makes a case for `kernel`: resets the arena, writes the descriptor and fills the tensors. begin = 0, end = rows. */
void case_make(rng *r, const edge_kernel *kernel, case_style style, arena *a, test_case *c);

/* Writes c->words to memory and computes the regions again. */
void case_store(arena *a, test_case *c);

/* ---- parts of case_make, for its own files ---- */

/* Fills words with shapes and numbers; offsets stay 0, but a bias that is wanted is 1. */
void case_choose_words(rng *r, const edge_kernel *k, case_style style, uint32_t *words);
/* Gives every region an offset; 0 if they do not fit. */
int case_lay_out(rng *r, const arena *a, test_case *c);
/* Fills the regions that are read. */
void case_fill(rng *r, const arena *a, case_style style, const test_case *c);

/* ---- rows, apart from the kernels' own functions ---- */

/* How the output is made of rows: row of byte i = i / row_bytes % rows. */
typedef struct case_rows {
  uint64_t rows, row_work, row_bytes;
} case_rows;

case_rows case_rows_of(const edge_kernel *k, const uint32_t *words);

/* What a provider may read where the descriptor lies: it may copy the longest one, as far as there is memory. */
static inline extent case_descriptor_extent(const test_case *c, const arena *a) {
  const uint64_t rest = c->descriptor < a->memory.size ? a->memory.size - c->descriptor : 0;
  return (extent){c->descriptor, rest < EDGE_MAX_DESC_BYTES ? rest : EDGE_MAX_DESC_BYTES};
}

static inline void case_set_rows(test_case *c, uint32_t begin, uint32_t end) {
  c->words[field_count(c->kernel) - 2u] = begin;
  c->words[field_count(c->kernel) - 1u] = end;
}

#endif
