/* Functions of one or two elements: checks, lines, and the table rows. */
#include "map.h"

#include "../common/check.h"
#include "../common/strides.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, map, field, reason, condition)

/* What a kernel works on: bytes of an operand's and of an output's element, and its operations. */
typedef struct kind {
  uint32_t input, output;
  uint64_t operations;
  edge_map_line *line;
} kind;

#define ONE(name) (UINT64_C(1) << EDGE_MAP_##name)
#define FROM_TO(first, last) ((ONE(last) << 1) - ONE(first))
#define PLAIN_BYTES                                                                      \
  (ONE(ADD) | ONE(MUL) | ONE(MAXIMUM) | ONE(MINIMUM) | ONE(FLOOR_DIV) | ONE(FLOOR_MOD) | \
   FROM_TO(AND, SHIFT_RIGHT_UNSIGNED))
#define INTEGERS (FROM_TO(ADD, FLOOR_MOD) | FROM_TO(ABS, SIGN))
#define STEPS FROM_TO(STEPS_ADD, STEPS_PRELU)
#define COMPARISONS FROM_TO(EQUAL, GREATER_EQUAL)

_Static_assert(EDGE_MAP_OPERATIONS <= 64, "operations are counted in the bits of a word");

static const kind MAP_F32 = {4, 4, FROM_TO(ADD, PRELU) | FROM_TO(ABS, LEAKY_RELU), edge_f32_map__ref};
static const kind MAP_S8 = {1, 1, PLAIN_BYTES | STEPS, edge_s8_map__ref};
static const kind MAP_S16 = {2, 2, PLAIN_BYTES | STEPS | FROM_TO(STEPS_SHIFTED_ADD, STEPS_SHIFTED_SUB),
                             edge_s16_map__ref};
static const kind MAP_S32 = {4, 4, INTEGERS | FROM_TO(AND, SHIFT_RIGHT_UNSIGNED), edge_s32_map__ref};
static const kind MAP_S64 = {8, 8, INTEGERS, edge_s64_map__ref};
static const kind COMPARE_F32 = {4, 1, COMPARISONS, edge_f32_compare__ref};
static const kind COMPARE_S8 = {1, 1, COMPARISONS | FROM_TO(STEPS_EQUAL, STEPS_GREATER_EQUAL), edge_s8_compare__ref};
static const kind COMPARE_S16 = {2, 1, COMPARISONS, edge_s16_compare__ref};
static const kind COMPARE_S32 = {4, 1, COMPARISONS, edge_s32_compare__ref};
static const kind COMPARE_S64 = {8, 1, COMPARISONS, edge_s64_compare__ref};

static const uint32_t *sizes_of(const edge_map_desc *d) { return (const uint32_t *)d + EDGE_FIELD_map_size0; }
static const uint32_t *strides_a(const edge_map_desc *d) { return (const uint32_t *)d + EDGE_FIELD_map_a_stride0; }
static const uint32_t *strides_b(const edge_map_desc *d) { return (const uint32_t *)d + EDGE_FIELD_map_b_stride0; }

static int value_ok(int32_t value, uint32_t bytes) {
  return bytes == 1 ? edge_zero_point_ok(value) : bytes == 2 ? value >= -32768 && value <= 32767 : value == 0;
}

static int shift_ok(int32_t shift) { return shift >= -31 && shift <= 30; }

static edge_status check_numbers(const edge_map_desc *d, edge_kernel_id id, const kind *k, int is_float) {
  const uint32_t width = is_float ? 4 : k->input;
  REQUIRE(a_zero_point, RANGE, value_ok(d->a_zero_point, width));
  REQUIRE(b_zero_point, RANGE, value_ok(d->b_zero_point, width));
  REQUIRE(output_zero_point, RANGE, value_ok(d->output_zero_point, width));
  REQUIRE(left, RANGE, d->left <= 20);
  REQUIRE(a_multiplier, RANGE, d->a_multiplier >= 0);
  REQUIRE(a_shift, RANGE, shift_ok(d->a_shift));
  REQUIRE(b_multiplier, RANGE, d->b_multiplier >= 0);
  REQUIRE(b_shift, RANGE, shift_ok(d->b_shift));
  REQUIRE(multiplier, RANGE, d->multiplier >= 0);
  REQUIRE(shift, RANGE, shift_ok(d->shift));
  REQUIRE(alpha, RANGE, edge_is_finite(d->alpha));
  if (d->operation == EDGE_MAP_STEPS_SHIFTED_ADD || d->operation == EDGE_MAP_STEPS_SHIFTED_SUB) {
    REQUIRE(a_shift, RANGE, d->a_shift <= 0 && d->a_shift >= -15);
    REQUIRE(b_shift, RANGE, d->b_shift <= 0 && d->b_shift >= -15);
  }
  REQUIRE(act_min, RANGE, is_float ? d->act_min.f <= d->act_max.f : d->act_min.i <= d->act_max.i);
  return 0;
}

/* The output may be the very bytes of an operand that is read in the same order. */
static int clear_of(edge_region output, edge_region operand, const uint32_t *sizes, const uint32_t *strides) {
  return edge_region_clear_or_same(output, operand) &&
         (!edge_regions_overlap(output, operand) || edge_strided_dense(sizes, strides));
}

static edge_status check(const edge_map_desc *d, edge_kernel_id id, const kind *k, const edge_memory *memory) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(operation, RANGE, d->operation < EDGE_MAP_OPERATIONS && (k->operations >> d->operation & 1u) != 0);
  const uint32_t *sizes = sizes_of(d);
  REQUIRE(count, RANGE, d->count >= 1 && edge_sizes_ok(sizes, d->count));
  REQUIRE(a_stride5, RANGE, d->a_stride5 <= 1);
  REQUIRE(b_stride5, RANGE, d->b_stride5 <= 1);
  const edge_status status = check_numbers(d, id, k, k->line == edge_f32_map__ref);
  if (status != 0) return status;
  const edge_region a = edge_region_of(d->a, edge_mul(edge_strided_extent(sizes, strides_a(d)), k->input));
  const edge_region b = edge_region_of(d->b, edge_mul(edge_strided_extent(sizes, strides_b(d)), k->input));
  const edge_region output = edge_region_of(d->output, (uint64_t)d->count * k->output);
  EDGE_REQUIRE_REGION(id, map, a, a, k->input, memory);
  EDGE_REQUIRE_REGION(id, map, b, b, k->input, memory);
  EDGE_REQUIRE_REGION(id, map, output, output, k->output, memory);
  REQUIRE(output, OVERLAP, clear_of(output, a, sizes, strides_a(d)) && clear_of(output, b, sizes, strides_b(d)));
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_map_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 128;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* A repeated element, written out so that every line has two dense operands. */
enum { REPEATS = 64 };
typedef union repeated {
  uint64_t align;
  uint8_t bytes[REPEATS * 8];
} repeated;

static const uint8_t *spread(repeated *to, const uint8_t *from, uint32_t bytes, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) __builtin_memcpy(to->bytes + i * bytes, from, bytes);
  return to->bytes;
}

static void run_line(const edge_map_desc *d, const kind *k, const uint8_t *a, const uint8_t *b, uint8_t *output,
                     uint32_t n) {
  const int whole = d->a_stride5 == 1 && d->b_stride5 == 1;
  const uint32_t most = whole ? n : least(n, REPEATS);
  repeated a_repeated, b_repeated;
  if (d->a_stride5 == 0) a = spread(&a_repeated, a, k->input, most);
  if (d->b_stride5 == 0) b = spread(&b_repeated, b, k->input, most);
  for (uint32_t done = 0, now; done < n; done += now) {
    now = least(n - done, most);
    k->line(d, d->a_stride5 == 0 ? a : a + (size_t)done * k->input, d->b_stride5 == 0 ? b : b + (size_t)done * k->input,
            output + (size_t)done * k->output, now);
  }
}

static void run(const edge_map_desc *d, const kind *k, uint8_t *base) {
  edge_walk walk = {.sizes = sizes_of(d), .strides = {strides_a(d), strides_b(d), strides_b(d)}};
  edge_walk_to(&walk, d->begin);
  for (uint32_t i = d->begin, n; i < d->end; i += n) {
    n = least(d->end - i, edge_walk_line(&walk));
    run_line(d, k, base + d->a + walk.element[0] * k->input, base + d->b + walk.element[1] * k->input,
             base + d->output + (size_t)i * k->output, n);
    edge_walk_next(&walk);
  }
}

/* Defines the row of kernel NAME. */
#define MAP_ROW(NAME, KIND)                                                                                  \
  static edge_status check_##NAME(const void *desc, const edge_memory *memory) {                             \
    return check(desc, EDGE_KERNEL_##NAME, &KIND, memory);                                                   \
  }                                                                                                          \
  static void run_##NAME(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) { \
    (void)isa, (void)packed, (void)scratch;                                                                  \
    run(desc, &KIND, base);                                                                                  \
  }                                                                                                          \
  const edge_kernel edge_kernel_##NAME = {.name = #NAME,                                                     \
                                          .id = EDGE_KERNEL_##NAME,                                          \
                                          .desc_bytes = sizeof(edge_map_desc),                               \
                                          .check = check_##NAME,                                             \
                                          .rows = rows,                                                      \
                                          .row_work = row_work,                                              \
                                          .run = run_##NAME};

MAP_ROW(map_f32, MAP_F32)
MAP_ROW(map_s8, MAP_S8)
MAP_ROW(map_s16, MAP_S16)
MAP_ROW(map_s32, MAP_S32)
MAP_ROW(map_s64, MAP_S64)
MAP_ROW(compare_f32, COMPARE_F32)
MAP_ROW(compare_s8, COMPARE_S8)
MAP_ROW(compare_s16, COMPARE_S16)
MAP_ROW(compare_s32, COMPARE_S32)
MAP_ROW(compare_s64, COMPARE_S64)
