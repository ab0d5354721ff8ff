/* Detections: checks and the table rows. */
#include "detections.h"

#include "../common/check.h"

#define MOST_BOXES 131072u
#define MOST_SLOTS 65536u
#define REQUIRE(field, reason, condition) EDGE_REQUIRE(id, detections, field, reason, condition)
#define REQUIRE_REGION(field, region) EDGE_REQUIRE_REGION(id, detections, field, region, 4, memory)

static edge_status check_counts(const edge_detections_desc *d, edge_kernel_id id) {
  const int is_merge = id == EDGE_KERNEL_merge_classes_f32, is_best = id == EDGE_KERNEL_best_classes_f32;
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1 && d->count <= MOST_BOXES);
  REQUIRE(columns, RANGE, is_merge ? d->columns == 0 : d->columns >= 1);
  REQUIRE(column, RANGE, is_merge ? d->column == 0 : d->column < d->columns);
  REQUIRE(classes, RANGE, d->classes >= 1 && d->classes <= (is_merge ? MOST_SLOTS : d->columns - d->column));
  REQUIRE(classes, RANGE, d->classes <= MOST_SLOTS);
  REQUIRE(steps, RANGE, is_merge || is_best ? d->steps >= 1 && d->steps <= MOST_SLOTS : d->steps == 0);
  REQUIRE(slots, RANGE, is_merge || is_best ? d->slots >= 1 && d->slots <= MOST_SLOTS : d->slots == 0);
  REQUIRE(most, RANGE, is_merge ? d->most >= 1 && d->most <= d->slots : d->most == 0);
  REQUIRE(per_box, RANGE, is_best ? d->per_box >= 1 && d->per_box <= d->classes : d->per_box == 0);
  REQUIRE(per_slot, RANGE, is_best ? d->per_slot >= d->per_box : d->per_slot == 0);
  REQUIRE(slots, RANGE, !is_best || d->slots == edge_mul(d->steps, d->per_slot));
  return 0;
}

static edge_status check_max(const void *desc, const edge_memory *memory) {
  const edge_detections_desc *d = desc;
  const edge_kernel_id id = EDGE_KERNEL_class_max_f32;
  const edge_status status = check_counts(d, id);
  if (status != 0) return status;
  const edge_region scores = edge_region_of(d->scores, edge_mul(edge_mul(d->count, d->columns), 4));
  const edge_region output = edge_region_of(d->output, d->count * UINT64_C(4));
  REQUIRE_REGION(scores, scores);
  REQUIRE_REGION(output, output);
  REQUIRE(output, OVERLAP, edge_region_clear(output, &scores, 1));
  return 0;
}

static edge_status check_detections(const edge_detections_desc *d, edge_kernel_id id, const edge_memory *memory) {
  const edge_status status = check_counts(d, id);
  if (status != 0) return status;
  const int is_merge = id == EDGE_KERNEL_merge_classes_f32;
  const uint64_t lists = is_merge ? d->classes : 1, taken = edge_mul(lists, d->steps);
  enum { BOXES, SCORES, SELECTED, FOUND, HEADS, OUTPUT, CLASSES, OUTPUT_SCORES, COUNT, REGIONS };
  const edge_region regions[REGIONS] = {
      edge_region_of(d->boxes, d->count * UINT64_C(16)),
      edge_region_of(d->scores, edge_mul(is_merge ? taken : edge_mul(d->count, d->columns), 4)),
      edge_region_of(d->selected, edge_mul(taken, 4)),
      edge_region_of(d->found, lists * 4),
      edge_region_of(d->heads, is_merge ? lists * 4 : 0),
      edge_region_of(d->output, d->slots * UINT64_C(16)),
      edge_region_of(d->output_classes, d->slots * UINT64_C(4)),
      edge_region_of(d->output_scores, d->slots * UINT64_C(4)),
      edge_region_of(d->output_count, 4),
  };
  REQUIRE_REGION(boxes, regions[BOXES]);
  REQUIRE_REGION(scores, regions[SCORES]);
  REQUIRE_REGION(selected, regions[SELECTED]);
  REQUIRE_REGION(found, regions[FOUND]);
  if (is_merge) REQUIRE_REGION(heads, regions[HEADS]);
  REQUIRE_REGION(output, regions[OUTPUT]);
  REQUIRE_REGION(output_classes, regions[CLASSES]);
  REQUIRE_REGION(output_scores, regions[OUTPUT_SCORES]);
  REQUIRE_REGION(output_count, regions[COUNT]);
  REQUIRE(heads, OVERLAP, edge_region_clear(regions[HEADS], regions, HEADS));
  REQUIRE(output, OVERLAP, edge_region_clear(regions[OUTPUT], regions, OUTPUT));
  REQUIRE(output_classes, OVERLAP, edge_region_clear(regions[CLASSES], regions, CLASSES));
  REQUIRE(output_scores, OVERLAP, edge_region_clear(regions[OUTPUT_SCORES], regions, OUTPUT_SCORES));
  REQUIRE(output_count, OVERLAP, edge_region_clear(regions[COUNT], regions, COUNT));
  return 0;
}

static edge_status check_best(const void *desc, const edge_memory *memory) {
  return check_detections(desc, EDGE_KERNEL_best_classes_f32, memory);
}

static edge_status check_merge(const void *desc, const edge_memory *memory) {
  return check_detections(desc, EDGE_KERNEL_merge_classes_f32, memory);
}

static uint64_t rows_max(const void *desc) { return ((const edge_detections_desc *)desc)->count; }
static uint64_t rows_best(const void *desc) { return ((const edge_detections_desc *)desc)->steps; }
static uint64_t rows_merge(const void *desc) { return ((const edge_detections_desc *)desc)->slots; }

static uint64_t work_of_classes(const void *desc) {
  return (uint64_t)((const edge_detections_desc *)desc)->classes * 4u + 64u;
}

static uint64_t work_best(const void *desc) {
  const edge_detections_desc *d = desc;
  return (uint64_t)d->classes * d->per_box * 4u + (uint64_t)d->per_slot * 16u + 64u;
}

static void run_max(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_class_max__ref(desc, base);
}

static void run_best(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_best_classes__ref(desc, base);
}

static void run_merge(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_merge_classes__ref(desc, base);
}

const edge_kernel edge_kernel_class_max_f32 = {.name = "class_max_f32",
                                               .id = EDGE_KERNEL_class_max_f32,
                                               .desc_bytes = sizeof(edge_detections_desc),
                                               .check = check_max,
                                               .rows = rows_max,
                                               .row_work = work_of_classes,
                                               .run = run_max};

const edge_kernel edge_kernel_best_classes_f32 = {.name = "best_classes_f32",
                                                  .id = EDGE_KERNEL_best_classes_f32,
                                                  .desc_bytes = sizeof(edge_detections_desc),
                                                  .check = check_best,
                                                  .rows = rows_best,
                                                  .row_work = work_best,
                                                  .run = run_best};

const edge_kernel edge_kernel_merge_classes_f32 = {.name = "merge_classes_f32",
                                                   .id = EDGE_KERNEL_merge_classes_f32,
                                                   .desc_bytes = sizeof(edge_detections_desc),
                                                   .check = check_merge,
                                                   .rows = rows_merge,
                                                   .row_work = work_of_classes,
                                                   .run = run_merge};
