/* Look-up tables. An index is never outside: it has as many bits as the table has entries. */
#include "lookup.h"

void edge_s8_lookup__ref(const edge_lookup_desc *d, uint8_t *base) {
  const uint8_t *input = base + d->input, *table = base + d->table;
  uint8_t *output = base + d->output;
  for (uint32_t i = d->begin; i < d->end; i++) output[i] = table[input[i]];
}

void edge_s16_lookup__ref(const edge_lookup_desc *d, uint8_t *base) {
  const uint16_t *input = (const uint16_t *)(const void *)(base + d->input);
  const uint16_t *table = (const uint16_t *)(const void *)(base + d->table);
  uint16_t *output = (uint16_t *)(void *)(base + d->output);
  for (uint32_t i = d->begin; i < d->end; i++) output[i] = table[input[i]];
}
