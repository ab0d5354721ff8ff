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

arena arena_open(uint64_t usable) {
  arena a = {{NULL, EDGE_KERNEL_RESERVE + usable}, map(EDGE_KERNEL_RESERVE + usable, PROT_READ | PROT_WRITE)};
  a.memory.base = (uint8_t *)map(a.memory.size + 2u * GUARD, PROT_NONE) + GUARD;
  if (mprotect(a.memory.base + EDGE_KERNEL_RESERVE, (size_t)usable, PROT_READ | PROT_WRITE) != 0) {
    perror("mprotect");
    exit(2);
  }
  arena_reset(&a);
  return a;
}

void arena_close(arena *a) {
  arena_unpoison(a);
  munmap(a->memory.base - GUARD, (size_t)a->memory.size + 2u * GUARD);
  munmap(a->mirror, (size_t)a->memory.size);
}

static size_t usable_bytes(const arena *a) { return (size_t)(a->memory.size - EDGE_KERNEL_RESERVE); }

void arena_reset(arena *a) {
  arena_unpoison(a);
  memset(a->memory.base + EDGE_KERNEL_RESERVE, PATTERN, usable_bytes(a));
}

void arena_remember(arena *a) {
  arena_unpoison(a);
  memcpy(a->mirror + EDGE_KERNEL_RESERVE, a->memory.base + EDGE_KERNEL_RESERVE, usable_bytes(a));
}

void arena_poison_all_but(arena *a, const edge_region *open, uint32_t count) {
  ASAN_POISON_MEMORY_REGION(a->memory.base + EDGE_KERNEL_RESERVE, usable_bytes(a));
  for (uint32_t i = 0; i < count; i++) {
    if (edge_region_inside(open[i], &a->memory)) {
      ASAN_UNPOISON_MEMORY_REGION(a->memory.base + open[i].begin, (size_t)open[i].bytes);
    }
  }
}

void arena_unpoison(arena *a) { ASAN_UNPOISON_MEMORY_REGION(a->memory.base + EDGE_KERNEL_RESERVE, usable_bytes(a)); }

static int inside_one_of(uint64_t at, const edge_region *regions, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (at >= regions[i].begin && at - regions[i].begin < regions[i].bytes) return 1;
  }
  return 0;
}

uint64_t arena_changed(arena *a, const edge_region *allowed, uint32_t count) {
  enum { BLOCK = 4096 };
  arena_unpoison(a);
  for (uint64_t block = EDGE_KERNEL_RESERVE; block < a->memory.size; block += BLOCK) {
    if (memcmp(a->memory.base + block, a->mirror + block, BLOCK) == 0) continue;
    for (uint64_t at = block; at < block + BLOCK; at++) {
      if (a->memory.base[at] != a->mirror[at] && !inside_one_of(at, allowed, count)) return at;
    }
  }
  return 0;
}
