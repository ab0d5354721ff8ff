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

/* For each family: struct edge_<family>_desc and the field numbers EDGE_FIELD_<family>_<field>. */
#define EDGE_FIELD(family, type, name, text) type##_t name;
typedef struct edge_conv2d_desc {
#include "../conv2d/conv2d.def"
} edge_conv2d_desc;
typedef struct edge_depthwise_conv2d_desc {
#include "../depthwise_conv2d/depthwise_conv2d.def"
} edge_depthwise_conv2d_desc;
typedef struct edge_fully_connected_desc {
#include "../fully_connected/fully_connected.def"
} edge_fully_connected_desc;
typedef struct edge_pool_desc {
#include "../pool/pool.def"
} edge_pool_desc;
typedef struct edge_mean_desc {
#include "../mean/mean.def"
} edge_mean_desc;
typedef struct edge_add_desc {
#include "../add/add.def"
} edge_add_desc;
typedef struct edge_softmax_desc {
#include "../softmax/softmax.def"
} edge_softmax_desc;
typedef struct edge_elementwise_desc {
#include "../elementwise/elementwise.def"
} edge_elementwise_desc;
typedef struct edge_spectrum_desc {
#include "../spectrum/spectrum.def"
} edge_spectrum_desc;
#undef EDGE_FIELD

#define EDGE_FIELD(family, type, name, text) EDGE_FIELD_##family##_##name,
enum edge_conv2d_field {
#include "../conv2d/conv2d.def"
  EDGE_FIELDS_conv2d
};
enum edge_depthwise_conv2d_field {
#include "../depthwise_conv2d/depthwise_conv2d.def"
  EDGE_FIELDS_depthwise_conv2d
};
enum edge_fully_connected_field {
#include "../fully_connected/fully_connected.def"
  EDGE_FIELDS_fully_connected
};
enum edge_pool_field {
#include "../pool/pool.def"
  EDGE_FIELDS_pool
};
enum edge_mean_field {
#include "../mean/mean.def"
  EDGE_FIELDS_mean
};
enum edge_add_field {
#include "../add/add.def"
  EDGE_FIELDS_add
};
enum edge_softmax_field {
#include "../softmax/softmax.def"
  EDGE_FIELDS_softmax
};
enum edge_elementwise_field {
#include "../elementwise/elementwise.def"
  EDGE_FIELDS_elementwise
};
enum edge_spectrum_field {
#include "../spectrum/spectrum.def"
  EDGE_FIELDS_spectrum
};
#undef EDGE_FIELD

#define EDGE_ASSERT_LAYOUT(family) \
  _Static_assert(sizeof(edge_##family##_desc) == 4u * EDGE_FIELDS_##family, #family " descriptor is not packed")
EDGE_ASSERT_LAYOUT(conv2d);
EDGE_ASSERT_LAYOUT(depthwise_conv2d);
EDGE_ASSERT_LAYOUT(fully_connected);
EDGE_ASSERT_LAYOUT(pool);
EDGE_ASSERT_LAYOUT(mean);
EDGE_ASSERT_LAYOUT(add);
EDGE_ASSERT_LAYOUT(softmax);
EDGE_ASSERT_LAYOUT(elementwise);
EDGE_ASSERT_LAYOUT(spectrum);

/* Room for a copy of any descriptor. */
#define EDGE_MAX_DESC_BYTES 144u

#endif
