/* The linear memory of a test: guard pages on both sides, a mirror to compare with, poison between the tensors.
 *
 *     | guard | reserve: no access | below                | usable          | guard |
 *             ^ base                ^ EDGE_KERNEL_RESERVE  ^ base + bottom   ^ base + size, a page boundary
 *
 * A tensor that ends with the memory faults when one byte too many is read. Under AddressSanitizer, all usable bytes
 * but the open regions are poisoned while a kernel runs, so that every tensor is guarded so. In a memory of 4 GiB
 * `below` is most of it, and all offsets of a case lie close under 2^32: arithmetic in 32 bits does not survive there.
 */
#ifndef EDGE_TEST_ARENA_H
#define EDGE_TEST_ARENA_H

#include "extent.h"

#define ARENA_SMALL_BYTES (2u * 65536u)
#define ARENA_WHOLE (UINT64_C(1) << 32)

typedef struct arena {
  edge_memory memory;
  uint64_t lowest; /* offset of the first byte that may be touched */
  uint64_t bottom; /* offset of the usable part */
  uint8_t *mirror; /* of the usable part */
} arena;

/* `usable` bytes, a multiple of 64 KiB, at the top of a memory of `size` bytes; `below` says whether the part between
 * the reserve and them may be touched (it is not watched). Ends the process when there is no memory. */
arena arena_open(uint64_t usable, uint64_t size, int below);
void arena_close(arena *a);

/* Fills the usable part with a pattern and drops what lies below. */
void arena_reset(arena *a);

/* Remembers what the memory holds; arena_changed() compares with it, arena_restore() brings it back. */
void arena_remember(arena *a);
void arena_restore(arena *a);
/* What is remembered of the usable byte at `offset`. */
uint8_t *arena_mirror(const arena *a, uint64_t offset);

/* Poisons the usable part but the open extents. No-op without AddressSanitizer. */
void arena_poison_all_but(arena *a, const extent *open, uint32_t count);
void arena_unpoison(arena *a);

/* Offset of the first usable byte outside `allowed` that differs from what was remembered, or 0. Unpoisons. */
uint64_t arena_changed(arena *a, const extent *allowed, uint32_t count);

#endif
