/* Non-maximum suppression: checks and the table row. */
#include "nms.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_nms_f32, nms, field, reason, condition)
#define REQUIRE_REGION(field, region) EDGE_REQUIRE_REGION(EDGE_KERNEL_nms_f32, nms, field, region, 4, memory)

static edge_status check_numbers(const edge_nms_desc *d) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(count, RANGE, d->count >= 1 && d->count <= 131072);
  REQUIRE(columns, RANGE, d->columns >= 1);
  REQUIRE(column, RANGE, d->column < d->columns);
  REQUIRE(classes, RANGE, d->classes >= 1 && d->classes <= d->columns - d->column);
  REQUIRE(steps, RANGE, d->steps >= 1);
  REQUIRE(overlap_most, RANGE, edge_is_finite(d->overlap_most));
  REQUIRE(score_least, RANGE, edge_is_finite(d->score_least));
  REQUIRE(decay, RANGE, edge_is_finite(d->decay) && d->decay <= 0.0f);
  REQUIRE(drops_taken, RANGE, d->drops_taken <= 1);
  return 0;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_nms_desc *d = desc;
  const edge_status status = check_numbers(d);
  if (status != 0) return status;
  const uint64_t outputs = edge_mul(d->classes, d->steps);
  enum { BOXES, SCORES, LIVE, OUTPUT, OUTPUT_SCORES, FOUND, CANDIDATES, REGIONS };
  const edge_region regions[REGIONS] = {
      edge_region_of(d->boxes, d->count * UINT64_C(16)),
      edge_region_of(d->scores, edge_mul(edge_mul(d->count, d->columns), 4)),
      edge_region_of(d->live, d->count * UINT64_C(4)),
      edge_region_of(d->output, edge_mul(outputs, 4)),
      edge_region_of(d->output_scores, edge_mul(outputs, 4)),
      edge_region_of(d->found, d->classes * UINT64_C(4)),
      edge_region_of(d->candidates, d->classes * UINT64_C(4)),
  };
  REQUIRE_REGION(boxes, regions[BOXES]);
  REQUIRE_REGION(scores, regions[SCORES]);
  REQUIRE_REGION(live, regions[LIVE]);
  REQUIRE_REGION(output, regions[OUTPUT]);
  REQUIRE_REGION(output_scores, regions[OUTPUT_SCORES]);
  REQUIRE_REGION(found, regions[FOUND]);
  REQUIRE_REGION(candidates, regions[CANDIDATES]);
  REQUIRE(live, OVERLAP, edge_region_clear(regions[LIVE], regions, LIVE));
  REQUIRE(output, OVERLAP, edge_region_clear(regions[OUTPUT], regions, OUTPUT));
  REQUIRE(output_scores, OVERLAP, edge_region_clear(regions[OUTPUT_SCORES], regions, OUTPUT_SCORES));
  REQUIRE(found, OVERLAP, edge_region_clear(regions[FOUND], regions, FOUND));
  REQUIRE(candidates, OVERLAP, edge_region_clear(regions[CANDIDATES], regions, CANDIDATES));
  return 0;
}

static uint64_t rows(const void *desc) {
  const edge_nms_desc *d = desc;
  return (uint64_t)d->classes * d->steps;
}

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_nms_desc *)desc)->count * 24u + 64u; }

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_nms__ref(desc, base);
}

const edge_kernel edge_kernel_nms_f32 = {.name = "nms_f32",
                                         .id = EDGE_KERNEL_nms_f32,
                                         .desc_bytes = sizeof(edge_nms_desc),
                                         .check = check,
                                         .rows = rows,
                                         .row_work = row_work,
                                         .run = run};
