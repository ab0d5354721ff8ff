/* The contract between a model module and the kernels it calls.
 *
 * A kernel is a function of the import namespace `edge_kernels`:
 *
 *     (i32 descriptor_offset) -> i32 status          0 = done, else see edge_status
 *
 * The descriptor is a struct in the module's linear memory: 4-byte little-endian fields only, no padding, the
 * version first and the half-open range [begin, end) of the kernel's rows last. What a row is, the family's .def
 * says. Kernels that need their weights repacked (EDGE_KERNEL_PACKED) must be prepared once with
 * `prepare_<kernel>`; a later call must pass the same descriptor, apart from begin and end.
 *
 * Memory map of a model module (it defines and exports the memory; min = max):
 *
 *     0              EDGE_KERNEL_RESERVE                                                     memory end
 *     | kernel stack, rodata | descriptors | weights | packed (sandbox only) | arena | inputs, outputs |
 *
 * Nothing a descriptor points at may lie below EDGE_KERNEL_RESERVE: that part belongs to kernels.wasm.
 *
 * The guest is hostile: a provider copies the descriptor first and checks the copy; every offset + extent is
 * computed in 64 bits.
 */
#ifndef EDGE_ABI_H
#define EDGE_ABI_H

#include <stddef.h>
#include <stdint.h>

#define EDGE_ABI_VERSION 1u

/* Bytes at the bottom of linear memory that belong to kernels.wasm: 32 KiB stack, then read-only data. */
#define EDGE_KERNEL_RESERVE 65536u

/* Largest node number + 1 a module may use; bounds the host's handle table. */
#define EDGE_MAX_NODES 16384u

/* Most work one call may do, in units of about one int8 multiply-accumulate (row_work() of the kernel). About 1 ms
 * on the slowest supported core: neither fuel nor epochs stop native code, so no call may run longer. */
#define EDGE_MAX_WORK (1u << 22)

/* Work of a row or pixel apart from its arithmetic: what a convolution of one channel by one costs too. */
#define EDGE_ROW_OVERHEAD 64u

/* Alignment of the packed and scratch regions. */
#define EDGE_REGION_ALIGN 16u

/* A clamp bound or factor: an integer in quantised kernels, a float in float kernels. */
typedef union edge_num {
  int32_t i;
  float f;
} edge_num;

typedef uint32_t u32_t;
typedef int32_t i32_t;
typedef float f32_t;
typedef edge_num num_t;

/* 0, or (kernel << 16) | (field << 8) | reason: `kernel` from kernels.def, `field` the index in the descriptor. */
typedef int32_t edge_status;

typedef enum edge_reason {
#define EDGE_REASON(number, name, text) EDGE_REASON_##name = number,
#include "reasons.def"
} edge_reason;

typedef enum edge_kernel_id {
#define EDGE_KERNEL(number, name, family) EDGE_KERNEL_##name = number,
#define EDGE_KERNEL_PACKED(number, name, family) EDGE_KERNEL_##name = number,
#include "kernels.def"
  EDGE_KERNEL_COUNT_PLUS_ONE
} edge_kernel_id;

#define EDGE_STATUS(kernel, field, reason) \
  ((edge_status)(((uint32_t)(kernel) << 16) | ((uint32_t)(field) << 8) | (uint32_t)(reason)))

/* Room for a copy of any descriptor. */
#define EDGE_MAX_DESC_BYTES 256u

/* For each family: struct edge_<family>_desc and the field numbers EDGE_FIELD_<family>_<field>. */
#include "families.h"

#endif
