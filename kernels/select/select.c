/* Select: the check, the only form, and the table row. What it costs is in memory. */
#include "../common/check.h"
#include "../common/strides.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_select, select, field, reason, condition)

typedef struct operands {
  const uint32_t *sizes, *condition, *a, *b;
} operands;

static operands operands_of(const edge_select_desc *d) {
  const uint32_t *words = (const uint32_t *)d;
  const operands o = {words + EDGE_FIELD_select_size0, words + EDGE_FIELD_select_condition_stride0,
                      words + EDGE_FIELD_select_a_stride0, words + EDGE_FIELD_select_b_stride0};
  return o;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_select_desc *d = desc;
  const operands o = operands_of(d);
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(element, RANGE, d->element == 1 || d->element == 2 || d->element == 4 || d->element == 8);
  REQUIRE(count, RANGE, d->count >= 1 && edge_sizes_ok(o.sizes, d->count));
  REQUIRE(condition_stride5, RANGE, d->condition_stride5 <= 1);
  REQUIRE(a_stride5, RANGE, d->a_stride5 <= 1);
  REQUIRE(b_stride5, RANGE, d->b_stride5 <= 1);
  const edge_region regions[] = {
      edge_region_of(d->condition, edge_strided_extent(o.sizes, o.condition)),
      edge_region_of(d->a, edge_mul(edge_strided_extent(o.sizes, o.a), d->element)),
      edge_region_of(d->b, edge_mul(edge_strided_extent(o.sizes, o.b), d->element)),
  };
  const edge_region output = edge_region_of(d->output, (uint64_t)d->count * d->element);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_select, select, condition, regions[0], 1, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_select, select, a, regions[1], d->element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_select, select, b, regions[2], d->element, memory);
  EDGE_REQUIRE_REGION(EDGE_KERNEL_select, select, output, output, d->element, memory);
  REQUIRE(output, OVERLAP, edge_region_clear(output, regions, 3));
  return 0;
}

static uint64_t rows(const void *desc) { return ((const edge_select_desc *)desc)->count; }

static uint64_t row_work(const void *desc) {
  (void)desc;
  return 64;
}

#define LINE(TYPE)                                                                                  \
  do {                                                                                              \
    const TYPE *a = (const TYPE *)(const void *)(base + d->a) + walk.element[1];                    \
    const TYPE *b = (const TYPE *)(const void *)(base + d->b) + walk.element[2];                    \
    TYPE *to = (TYPE *)(void *)(base + d->output) + i;                                              \
    for (uint32_t k = 0; k < n; k++)                                                                \
      to[k] = condition[k * d->condition_stride5] != 0 ? a[k * d->a_stride5] : b[k * d->b_stride5]; \
  } while (0)

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  const edge_select_desc *d = desc;
  const operands o = operands_of(d);
  edge_walk walk = {.sizes = o.sizes, .strides = {o.condition, o.a, o.b}};
  edge_walk_to(&walk, d->begin);
  for (size_t i = d->begin, n; i < d->end; i += n) {
    n = edge_walk_line(&walk) < d->end - i ? edge_walk_line(&walk) : d->end - i;
    const uint8_t *condition = base + d->condition + walk.element[0];
    switch (d->element) {
      case 1:
        LINE(uint8_t);
        break;
      case 2:
        LINE(uint16_t);
        break;
      case 4:
        LINE(uint32_t);
        break;
      default:
        LINE(uint64_t);
    }
    edge_walk_next(&walk);
  }
}

const edge_kernel edge_kernel_select = {.name = "select",
                                        .id = EDGE_KERNEL_select,
                                        .desc_bytes = sizeof(edge_select_desc),
                                        .check = check,
                                        .rows = rows,
                                        .row_work = row_work,
                                        .run = run};
