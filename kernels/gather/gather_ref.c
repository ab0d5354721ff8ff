/* Gathering by indices. */
#include "gather.h"

static int64_t index_at(const edge_gather_desc *d, const uint8_t *base, uint64_t number) {
  const uint8_t *at = base + d->indices + (size_t)number * d->index_bytes;
  if (d->index_bytes == 4) return *(const int32_t *)(const void *)at;
  return *(const int64_t *)(const void *)at;
}

uint64_t edge_gather_slice(const edge_gather_desc *d, const uint8_t *base, uint32_t row) {
  const uint32_t *limits = (const uint32_t *)d + EDGE_FIELD_gather_limit_0;
  const uint64_t batch = row / ((uint64_t)d->outer * d->count), j = row % d->count;
  const uint64_t tuple = (batch * d->count + j) * d->depth;
  uint64_t slice = 0;
  for (uint32_t k = 0; k < d->depth; k++) {
    const int64_t index = index_at(d, base, tuple + k);
    if (index < 0 || index >= limits[k]) return UINT64_MAX;
    slice = slice * limits[k] + (uint64_t)index;
  }
  return slice;
}

/* Defines copy_NAME: `count` elements of TYPE. */
#define COPY(NAME, TYPE)                                                                        \
  static void copy_##NAME(uint8_t *restrict to, const uint8_t *restrict from, uint32_t count) { \
    TYPE *target = (TYPE *)(void *)to;                                                          \
    const TYPE *source = (const TYPE *)(const void *)from;                                      \
    for (uint32_t i = 0; i < count; i++) target[i] = source[i];                                 \
  }

COPY(b1, uint8_t)
COPY(b2, uint16_t)
COPY(b4, uint32_t)
COPY(b8, uint64_t)

void edge_gather__ref(const edge_gather_desc *d, uint8_t *base) {
  const uint32_t *limits = (const uint32_t *)d + EDGE_FIELD_gather_limit_0;
  uint64_t slices = 1;
  for (uint32_t k = 0; k < d->depth; k++) slices *= limits[k];
  const uint64_t slice_bytes = (uint64_t)d->inner * d->element;
  for (uint32_t row = d->begin; row < d->end; row++) {
    const uint64_t slice = row / d->count * slices + edge_gather_slice(d, base, row);
    const uint8_t *from = base + d->input + (size_t)(slice * slice_bytes);
    uint8_t *to = base + d->output + (size_t)(row * slice_bytes);
    switch (d->element) {
      case 1:
        copy_b1(to, from, d->inner);
        break;
      case 2:
        copy_b2(to, from, d->inner);
        break;
      case 4:
        copy_b4(to, from, d->inner);
        break;
      default:
        copy_b8(to, from, d->inner);
        break;
    }
  }
}
