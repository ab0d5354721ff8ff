/* What a kernel family offers to a provider, and the table of all kernels.
 *
 * A provider runs a call in this order:
 *   1. copy the descriptor out of linear memory           (never look at the guest's copy again)
 *   2. check(copy)                                          every offset, extent, count and overlap
 *   3. begin < end <= rows(copy), (end - begin) * row_work(copy) <= EDGE_MAX_WORK
 *   4. run(copy, base, packed, scratch)
 * Packed kernels do 1, 2 and pack() once in prepare_<kernel>; a call must then pass the same words. A provider may
 * remember a checked copy and skip 1 and 2 when the guest's words equal it (unless check_reads).
 */
#ifndef EDGE_KERNEL_H
#define EDGE_KERNEL_H

#include "abi.h"
#include "isa.h"

/* The part of linear memory a model may use: [EDGE_KERNEL_RESERVE, size). base is the address of offset 0. */
typedef struct edge_memory {
  uint8_t *base;
  uint64_t size;
} edge_memory;

/* A row of the table. `desc` always points to a checked copy of the family's descriptor.
 * Sizes are in bytes, for the given ISA; scratch and packed are 64-aligned on the host, 16-aligned in the sandbox. */
typedef struct edge_kernel {
  const char *name;
  edge_kernel_id id;
  uint32_t desc_bytes;
  /* 0 or a status. Reads linear memory only where the checked descriptor says so (spectrum's edges, for example). */
  edge_status (*check)(const void *desc, const edge_memory *memory);
  /* 1 if check() reads linear memory: what it found may have changed at the next call. Packed kernels read in prepare.
   */
  int check_reads;
  uint64_t (*rows)(const void *desc);
  uint64_t (*row_work)(const void *desc);
  /* NULL unless the kernel is packed. */
  size_t (*packed_bytes)(const void *desc, edge_isa isa);
  void (*pack)(const void *desc, edge_isa isa, const uint8_t *base, void *packed);
  /* NULL where no scratch is needed. */
  size_t (*scratch_bytes)(const void *desc, edge_isa isa);
  /* Where the descriptor puts these regions for the sandbox provider; NULL where it has none. */
  uint32_t (*packed_at)(const void *desc);
  uint32_t (*scratch_at)(const void *desc);
  /* Rows that are worth another thread's while, and of which a thread's share is a multiple; 0: one thread does all.
   * Rows must not depend on each other. */
  uint32_t share;
  /* Does rows desc->begin .. desc->end - 1. A plain kernel uses neither `packed` nor `scratch`: where it needs a work
   * area (spectrum), that is a region of its descriptor. */
  void (*run)(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch);
  /* NULL, or another way to share: all these rows, but of the `columns` of each only begin .. end - 1. */
  uint32_t (*columns)(const void *desc);
  void (*run_columns)(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch, uint32_t begin,
                      uint32_t end);
} edge_kernel;

/* Each family defines `const edge_kernel edge_kernel_<name>` for its kernels. */
#define EDGE_KERNEL(number, name, family) extern const edge_kernel edge_kernel_##name;
#define EDGE_KERNEL_PACKED(number, name, family) extern const edge_kernel edge_kernel_##name;
#include "kernels.def"

/* Calls name__ref, or the same loops compiled for AVX2 where `isa` has it. */
#if defined(EDGE_BUILD_X86)
#define EDGE_RUN_LOOPS(name, isa, desc, base) ((isa) == EDGE_ISA_REF ? name##__ref : name##__avx2)((desc), (base))
#else
#define EDGE_RUN_LOOPS(name, isa, desc, base) ((void)(isa), name##__ref((desc), (base)))
#endif

/* Defines the row of a plain kernel from its family's check(desc, id, memory), rows() and row_work(), and the function
 * that does the work, run(desc, base). */
#define EDGE_PLAIN_ROW(family, NAME, RUN) EDGE_ROW_WITH(family, NAME, ((void)isa, RUN(desc, base)))
/* The same where the function is RUN__ref or, in loops of an .inc file, RUN__avx2. */
#define EDGE_LOOPS_ROW(family, NAME, RUN) EDGE_ROW_WITH(family, NAME, EDGE_RUN_LOOPS(RUN, isa, desc, base))
#define EDGE_ROW_WITH(family, NAME, CALL)                                                                    \
  static edge_status check_##NAME(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_##NAME, memory);                                                          \
  }                                                                                                          \
  static void run_##NAME(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)packed, (void)scratch;                                                                             \
    CALL;                                                                                                    \
  }                                                                                                          \
  const edge_kernel edge_kernel_##NAME = {.name = #NAME,                                                     \
                                          .id = EDGE_KERNEL_##NAME,                                          \
                                          .desc_bytes = sizeof(edge_##family##_desc),                        \
                                          .check = check_##NAME,                                             \
                                          .rows = rows,                                                      \
                                          .row_work = row_work,                                              \
                                          .run = run_##NAME}

/* The row of kernel `id`, or NULL. */
const edge_kernel *edge_kernel_by_id(uint32_t id);

/* begin/end are the last two words of every descriptor. */
static inline uint32_t edge_desc_word(const void *desc, uint32_t index) { return ((const uint32_t *)desc)[index]; }
static inline uint32_t edge_desc_begin(const edge_kernel *k, const void *desc) {
  return edge_desc_word(desc, k->desc_bytes / 4u - 2u);
}
static inline uint32_t edge_desc_end(const edge_kernel *k, const void *desc) {
  return edge_desc_word(desc, k->desc_bytes / 4u - 1u);
}

/* Step 3 above: 0 or a status. */
edge_status edge_check_rows(const edge_kernel *k, const void *desc);

#endif
