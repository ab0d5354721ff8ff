/* The checks that take loops; see check.h. */
#include "check.h"

int edge_region_clear(edge_region region, const edge_region *others, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (edge_regions_overlap(region, others[i])) return 0;
  }
  return 1;
}

int edge_region_clear_or_same(edge_region written, edge_region read) {
  return !edge_regions_overlap(written, read) || (written.begin == read.begin && written.bytes == read.bytes);
}

int edge_all_in_range_s32(const edge_memory *memory, edge_region region, int32_t low, int32_t high) {
  const int32_t *values = (const int32_t *)(const void *)(memory->base + region.begin);
  for (uint64_t i = 0; i < region.bytes / 4u; i++) {
    if (values[i] < low || values[i] > high) return 0;
  }
  return 1;
}

int edge_all_multipliers(const edge_memory *memory, edge_region region) {
  const int32_t *values = (const int32_t *)(const void *)(memory->base + region.begin);
  for (uint64_t i = 0; i < region.bytes / 4u; i++) {
    if (values[i] != 0 && values[i] < (INT32_C(1) << 30)) return 0;
  }
  return 1;
}
