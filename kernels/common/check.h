/* Range checks on the copy of a descriptor. Everything is computed in 64 bits and saturates instead of wrapping. */
#ifndef EDGE_CHECK_H
#define EDGE_CHECK_H

#include "../abi/kernel.h"
#include "math_f32.h"

/* A region of linear memory. */
typedef struct edge_region {
  uint64_t begin;
  uint64_t bytes;
} edge_region;

/* a * b; UINT64_MAX when a factor needs more than 32 bits, which nothing inside a linear memory does. (A true 64-bit
 * overflow test would need 128-bit products, which Wasm has not.) */
static inline uint64_t edge_mul(uint64_t a, uint64_t b) { return ((a | b) >> 32) == 0 ? a * b : UINT64_MAX; }

/* a + b, or UINT64_MAX when that does not fit. */
static inline uint64_t edge_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static inline edge_region edge_region_of(uint32_t offset, uint64_t bytes) {
  edge_region region = {offset, bytes};
  return region;
}

/* 1 if the region is not empty, starts at or above EDGE_KERNEL_RESERVE and ends inside the memory. */
static inline int edge_region_inside(edge_region r, const edge_memory *memory) {
  return r.bytes != 0 && r.begin >= EDGE_KERNEL_RESERVE && r.bytes <= memory->size && r.begin <= memory->size - r.bytes;
}

static inline int edge_regions_overlap(edge_region a, edge_region b) {
  return a.bytes != 0 && b.bytes != 0 && a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

/* The checks below read as a list in each family's check():
 *
 *   EDGE_REQUIRE(conv2d_s8, conv2d, stride_h, RANGE, d->stride_h >= 1 && d->stride_h <= 65535);
 *   EDGE_REQUIRE_REGION(conv2d_s8, conv2d, input, input, 1, memory);
 */
#define EDGE_REQUIRE(kernel_id, family, field, reason, condition)                                         \
  do {                                                                                                    \
    if (!(condition)) return EDGE_STATUS(kernel_id, EDGE_FIELD_##family##_##field, EDGE_REASON_##reason); \
  } while (0)

/* `region` must be aligned to `align` bytes and inside the memory. */
#define EDGE_REQUIRE_REGION(kernel_id, family, field, region, align, memory)                 \
  do {                                                                                       \
    EDGE_REQUIRE(kernel_id, family, field, MISALIGNED, (region).begin % (align) == 0);       \
    EDGE_REQUIRE(kernel_id, family, field, OUTSIDE, edge_region_inside((region), (memory))); \
  } while (0)

/* Most taps, pixels of stride or of dilation along one axis: keeps window arithmetic far inside 64 bits. */
#define EDGE_MAX_WINDOW 65535u

static inline int edge_window_size_ok(uint32_t size) { return size >= 1 && size <= EDGE_MAX_WINDOW; }

/* 1 if the last of `output` windows along an axis starts before the image ends. With pad below the window's extent,
 * every window then touches the image. */
static inline int edge_windows_start_inside(uint32_t input, uint32_t output, uint32_t stride, uint32_t pad) {
  return output >= 1 && (uint64_t)(output - 1u) * stride < (uint64_t)input + pad;
}

/* 1 if x is neither infinite nor NaN. By its bits: integer kernels look at fields of theirs too. */
static inline int edge_is_finite(float x) { return (edge_bits_of_f32(x) & 0x7f800000u) != 0x7f800000u; }

/* 1 if `low` .. `high` is a range of int8 values. */
static inline int edge_s8_range_ok(int32_t low, int32_t high) { return low >= -128 && low <= high && high <= 127; }

static inline int edge_zero_point_ok(int32_t zero_point) { return zero_point >= -128 && zero_point <= 127; }

/* 1 if `region` overlaps none of `others`. */
int edge_region_clear(edge_region region, const edge_region *others, uint32_t count);

/* 1 if `written` does not overlap `read`, or is exactly the same region (a kernel that works in place). */
int edge_region_clear_or_same(edge_region written, edge_region read);

/* 1 if all of i32[count] at `region`, already known to be inside the memory, are in [low, high]. */
int edge_all_in_range_s32(const edge_memory *memory, edge_region region, int32_t low, int32_t high);

/* 1 if all of i32[count] at `region` are 0 or at least 2^30: what TFLite's QuantizeMultiplier makes. */
int edge_all_multipliers(const edge_memory *memory, edge_region region);

#endif
