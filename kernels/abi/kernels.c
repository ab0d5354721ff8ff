/* The table of all kernels, made from kernels.def. */
#include "../common/check.h"

static const edge_kernel *const KERNELS[EDGE_KERNEL_COUNT_PLUS_ONE] = {
#define EDGE_KERNEL(number, name, family) [number] = &edge_kernel_##name,
#define EDGE_KERNEL_PACKED(number, name, family) [number] = &edge_kernel_##name,
#include "kernels.def"
};

const edge_kernel *edge_kernel_by_id(uint32_t id) { return id < EDGE_KERNEL_COUNT_PLUS_ONE ? KERNELS[id] : NULL; }

edge_status edge_check_rows(const edge_kernel *k, const void *desc) {
  const uint32_t begin_field = k->desc_bytes / 4u - 2u;
  const uint32_t begin = edge_desc_begin(k, desc), end = edge_desc_end(k, desc);
  if (begin >= end) return EDGE_STATUS(k->id, begin_field, EDGE_REASON_RANGE);
  if (end > k->rows(desc)) return EDGE_STATUS(k->id, begin_field + 1u, EDGE_REASON_RANGE);
  if (edge_mul(end - begin, k->row_work(desc)) > EDGE_MAX_WORK) {
    return EDGE_STATUS(k->id, begin_field + 1u, EDGE_REASON_WORK);
  }
  return 0;
}
