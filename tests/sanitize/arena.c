/* See arena.h. */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

#define GUARD 65536u
#define PATTERN 0xa5

static void *map(uint64_t bytes, int protection) {
  void *at = mmap(NULL, (size_t)bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    exit(2);
  }
  return at;
}

static void allow(uint8_t *at, uint64_t bytes) {
  if (mprotect(at, (size_t)bytes, PROT_READ | PROT_WRITE) != 0) {
    perror("mprotect");
    exit(2);
  }
}

static uint8_t *usable(const arena *a) { return a->memory.base + a->bottom; }
static size_t usable_bytes(const arena *a) { return (size_t)(a->memory.size - a->bottom); }

arena arena_open(uint64_t bytes, uint64_t size, int below) {
  const uint64_t bottom = size - bytes;
  arena a = {{NULL, size}, below ? EDGE_KERNEL_RESERVE : bottom, bottom, map(bytes, PROT_READ | PROT_WRITE)};
  a.memory.base = (uint8_t *)map(size + 2u * GUARD, PROT_NONE) + GUARD;
  allow(a.memory.base + a.lowest, size - a.lowest);
  arena_reset(&a);
  return a;
}

void arena_close(arena *a) {
  arena_unpoison(a);
  munmap(a->memory.base - GUARD, (size_t)a->memory.size + 2u * GUARD);
  munmap(a->mirror, usable_bytes(a));
}

void arena_reset(arena *a) {
  arena_unpoison(a);
  memset(usable(a), PATTERN, usable_bytes(a));
  if (a->lowest < a->bottom) madvise(a->memory.base + a->lowest, (size_t)(a->bottom - a->lowest), MADV_DONTNEED);
}

void arena_remember(arena *a) {
  arena_unpoison(a);
  memcpy(a->mirror, usable(a), usable_bytes(a));
}

void arena_restore(arena *a) {
  arena_unpoison(a);
  memcpy(usable(a), a->mirror, usable_bytes(a));
}

uint8_t *arena_mirror(const arena *a, uint64_t offset) { return a->mirror + (offset - a->bottom); }

void arena_poison_all_but(arena *a, const extent *open, uint32_t count) {
  ASAN_POISON_MEMORY_REGION(usable(a), usable_bytes(a));
  for (uint32_t i = 0; i < count; i++) {
    if (!extent_inside(open[i], &a->memory)) continue;
    const uint64_t end = open[i].begin + open[i].bytes, begin = open[i].begin < a->bottom ? a->bottom : open[i].begin;
    if (end > begin) ASAN_UNPOISON_MEMORY_REGION(a->memory.base + begin, (size_t)(end - begin));
  }
}

void arena_unpoison(arena *a) { ASAN_UNPOISON_MEMORY_REGION(usable(a), usable_bytes(a)); }

static int inside_one_of(uint64_t at, const extent *extents, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (at >= extents[i].begin && at - extents[i].begin < extents[i].bytes) return 1;
  }
  return 0;
}

uint64_t arena_changed(arena *a, const extent *allowed, uint32_t count) {
  enum { BLOCK = 4096 };
  arena_unpoison(a);
  for (uint64_t block = a->bottom; block < a->memory.size; block += BLOCK) {
    if (memcmp(a->memory.base + block, arena_mirror(a, block), BLOCK) == 0) continue;
    for (uint64_t at = block; at < block + BLOCK; at++) {
      if (a->memory.base[at] != *arena_mirror(a, at) && !inside_one_of(at, allowed, count)) return at;
    }
  }
  return 0;
}
