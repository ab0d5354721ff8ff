/* The linear memory of a test: guard pages on both sides, a mirror to compare with, poison between the tensors.
 *
 *     | guard | reserve: no access | usable                                | guard |
 *             ^ base                ^ EDGE_KERNEL_RESERVE                    ^ base + size, a page boundary
 *
 * A tensor that ends with the memory faults when one byte too many is read. Under AddressSanitizer, all bytes but the
 * open regions are poisoned while a kernel runs, so that every tensor is guarded so.
 */
#ifndef EDGE_TEST_ARENA_H
#define EDGE_TEST_ARENA_H

#include "kernels/common/check.h"

typedef struct arena {
  edge_memory memory;
  uint8_t *mirror; /* of [0, memory.size); the reserve is left out */
} arena;

/* `usable` bytes, a multiple of 64 KiB, above the reserve. Ends the process when there is no memory. */
arena arena_open(uint64_t usable);
void arena_close(arena *a);

/* Fills the usable part with a pattern. */
void arena_reset(arena *a);

/* Remembers what the memory holds; arena_changed() compares with it. */
void arena_remember(arena *a);

/* Poisons everything but the regions of non-zero size inside the usable part. No-op without AddressSanitizer. */
void arena_poison_all_but(arena *a, const edge_region *open, uint32_t count);
void arena_unpoison(arena *a);

/* Offset of the first byte outside `allowed` that differs from what was remembered, or 0. Unpoisons. */
uint64_t arena_changed(arena *a, const edge_region *allowed, uint32_t count);

#endif
