/* The sandbox provider: kernels.wasm. Exports <kernel> and prepare_<kernel> over the imported linear memory.
 *
 * Runs inside the guest's own memory, so a lying guest harms only itself; the checks are the same as the host's so
 * that one module behaves alike on both. Packed weights and scratch live where the descriptor says.
 */
#include "../abi/kernel.h"

#define WASM_PAGE_BYTES UINT64_C(65536)

static edge_memory linear_memory(void) {
  edge_memory memory = {(uint8_t *)0, (uint64_t)__builtin_wasm_memory_size(0) * WASM_PAGE_BYTES};
  return memory;
}

/* Copies the descriptor and checks it; 0 or a status. */
static edge_status take_descriptor(const edge_kernel *k, uint32_t offset, const edge_memory *memory, uint32_t *copy) {
  if (offset % 4u != 0 || offset < EDGE_KERNEL_RESERVE || (uint64_t)offset + k->desc_bytes > memory->size) {
    return EDGE_STATUS(k->id, 0, EDGE_REASON_DESCRIPTOR_OUTSIDE);
  }
  __builtin_memcpy(copy, (const void *)(uintptr_t)offset, k->desc_bytes);
  return k->check(copy, memory);
}

static int32_t prepare(const edge_kernel *k, uint32_t offset) {
  uint32_t copy[EDGE_MAX_DESC_BYTES / 4u];
  const edge_memory memory = linear_memory();
  const edge_status status = take_descriptor(k, offset, &memory, copy);
  if (status != 0) return status;
  k->pack(copy, edge_isa_best(), memory.base, (void *)(uintptr_t)k->packed_at(copy));
  return 0;
}

static int32_t call(const edge_kernel *k, uint32_t offset) {
  uint32_t copy[EDGE_MAX_DESC_BYTES / 4u];
  const edge_memory memory = linear_memory();
  edge_status status = take_descriptor(k, offset, &memory, copy);
  if (status == 0) status = edge_check_rows(k, copy);
  if (status != 0) return status;
  const uint32_t packed = k->packed_at != NULL ? k->packed_at(copy) : 0;
  const uint32_t scratch = k->scratch_at != NULL ? k->scratch_at(copy) : 0;
  k->run(copy, edge_isa_best(), memory.base, (const void *)(uintptr_t)packed, (void *)(uintptr_t)scratch);
  return 0;
}

#define EXPORT(symbol) __attribute__((export_name(#symbol))) int32_t export_##symbol(uint32_t descriptor)
#define EDGE_KERNEL(number, name, family) \
  EXPORT(name);                           \
  EXPORT(name) { return call(&edge_kernel_##name, descriptor); }
#define EDGE_KERNEL_PACKED(number, name, family) \
  EDGE_KERNEL(number, name, family)              \
  EXPORT(prepare_##name);                        \
  EXPORT(prepare_##name) { return prepare(&edge_kernel_##name, descriptor); }
#include "../abi/kernels.def"
