/* Strided copies, one element at a time. */
#include "copy.h"

void edge_copy__ref(const edge_copy_desc *d, uint8_t *base) {
  const edge_copy_loops loops = edge_copy_loops_of(d);
  for (uint32_t row = d->begin; row < d->end; row++) {
    int64_t from = d->input_start, to = d->output_start;
    uint32_t rest = row;
    for (uint32_t k = EDGE_COPY_LOOPS; k-- > 0;) {
      const int64_t i = rest % loops.size[k];
      rest /= loops.size[k];
      from += i * loops.from[k];
      to += i * loops.to[k];
    }
    const uint8_t *source = base + d->input + (size_t)(from * d->element);
    uint8_t *target = base + d->output + (size_t)(to * d->element);
    for (uint32_t byte = 0; byte < d->element; byte++) target[byte] = source[byte];
  }
}
