/* The greatest elements of each row: the best so far are kept in order in the output, by their indices. Nothing that is
 * read back from the output is used as an index without a bound: the guest may share it.
 *
 * TFLite: kernels/topk_v2.cc.
 */
#include "../common/math_f32.h"
#include "top_k.h"

/* A number that orders the elements of a type. */
static int64_t key_at(const edge_top_k_desc *d, const uint8_t *row, uint32_t i) {
  switch (d->type) {
    case EDGE_TOP_K_S8:
      return ((const int8_t *)row)[i];
    case EDGE_TOP_K_S16:
      return ((const int16_t *)(const void *)row)[i];
    case EDGE_TOP_K_S32:
      return ((const int32_t *)(const void *)row)[i];
    case EDGE_TOP_K_S64:
      return ((const int64_t *)(const void *)row)[i];
    default: {
      const float x = ((const float *)(const void *)row)[i];
      if (x != x) return INT64_MIN;
      const int32_t bits = (int32_t)edge_bits_of_f32(x == 0.0f ? 0.0f : x); /* both zeros are equal */
      return bits >= 0 ? bits : (int64_t)INT32_MIN - bits;
    }
  }
}

static void copy_element(uint8_t *to, const uint8_t *from, uint32_t element) {
  for (uint32_t byte = 0; byte < element; byte++) to[byte] = from[byte];
}

/* The indices of the k best of a row, in order. */
static void find(const edge_top_k_desc *d, const uint8_t *row, int32_t *best) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < d->depth; i++) {
    const int64_t key = key_at(d, row, i);
    uint32_t at = count;
    while (at > 0 && key > key_at(d, row, (uint32_t)best[at - 1] % d->depth)) at--;
    if (at == d->k) continue;
    if (count < d->k) count++;
    for (uint32_t j = count - 1u; j > at; j--) best[j] = best[j - 1u];
    best[at] = (int32_t)i;
  }
}

void edge_top_k__ref(const edge_top_k_desc *d, uint8_t *base) {
  const uint32_t element = edge_top_k_element(d->type);
  for (uint32_t r = d->begin; r < d->end; r++) {
    const uint8_t *row = base + d->input + (size_t)r * d->depth * element;
    int32_t *best = (int32_t *)(void *)(base + d->output) + (size_t)r * d->k;
    uint8_t *values = base + d->values + (size_t)r * d->k * element;
    find(d, row, best);
    for (uint32_t i = 0; i < d->k; i++) {
      copy_element(values + (size_t)i * element, row + (size_t)((uint32_t)best[i] % d->depth) * element, element);
    }
  }
}
