/* See oracle.h. */
#include "oracle.h"

#include <string.h>

static void breaks(verdict *v, uint32_t field, edge_reason reason) {
  v->reasons[field] |= 1u << reason;
  v->broken = 1;
}

/* Two regions that are only read may overlap; others may not, but for work in place. */
static int may_lie_so(const case_region *a, const case_region *b) {
  if (a->role == REGION_READ && b->role == REGION_READ) return 1;
  if (a->at.begin >= b->at.begin + b->at.bytes || b->at.begin >= a->at.begin + a->at.bytes) return 1;
  const int in_place = (a->role == REGION_WRITTEN_IN_PLACE && b->role == REGION_READ) ||
                       (b->role == REGION_WRITTEN_IN_PLACE && a->role == REGION_READ);
  return in_place && a->at.begin == b->at.begin && a->at.bytes == b->at.bytes;
}

static int table_ok(const edge_kernel *k, const uint32_t *words, const case_region *region, const uint8_t *base) {
  const char *name = field_name(k, region->field);
  const int is_multiplier = strcmp(name, "multiplier") == 0, is_shift = strcmp(name, "shift") == 0;
  const uint8_t *at = base + region->at.begin;
  uint32_t last = 0;
  for (uint64_t i = 0; (is_multiplier || is_shift) && i < region->at.bytes; i += 4) {
    int32_t x;
    memcpy(&x, at + i, 4);
    if (is_multiplier && x != 0 && x < 1 << 30) return 0;
    if (is_shift && (x < -31 || x > 30)) return 0;
  }
  for (uint64_t i = 0; region->type == TYPE_F64 && i < region->at.bytes; i += 8) {
    double x;
    memcpy(&x, at + i, 8);
    if (!(x >= 0.0 && x - x == 0.0)) return 0;
  }
  for (uint64_t i = 0; region->type == TYPE_U32 && i < region->at.bytes; i += 4) {
    uint32_t x;
    memcpy(&x, at + i, 4);
    if ((i != 0 && x <= last) || x > words[EDGE_FIELD_spectrum_frame_size] / 2u + 1u) return 0;
    last = x;
  }
  return 1;
}

static void judge_regions(verdict *v, const test_case *c, const arena *a) {
  for (uint32_t i = 0; i < c->region_count; i++) {
    const case_region *r = &c->regions[i];
    if (r->at.begin % r->align != 0) breaks(v, r->field, EDGE_REASON_MISALIGNED);
    if (!extent_inside(r->at, &a->memory)) {
      breaks(v, r->field, EDGE_REASON_OUTSIDE);
      continue;
    }
    for (uint32_t j = 0; j < i; j++) {
      const case_region *other = &c->regions[j];
      if (!extent_inside(other->at, &a->memory) || may_lie_so(r, other)) continue;
      breaks(v, r->field, EDGE_REASON_OVERLAP);
      breaks(v, other->field, EDGE_REASON_OVERLAP);
    }
    if (r->role == REGION_READ && r->at.begin % r->align == 0 && !table_ok(c->kernel, c->words, r, a->memory.base)) {
      breaks(v, r->field, EDGE_REASON_RANGE);
    }
  }
}

verdict oracle_descriptor(const test_case *c, const arena *a) {
  const edge_kernel *k = c->kernel;
  verdict v = {{0}, 0};
  if (c->descriptor % 4u != 0 || c->descriptor < EDGE_KERNEL_RESERVE ||
      (uint64_t)c->descriptor + k->desc_bytes > a->memory.size) {
    breaks(&v, 0, EDGE_REASON_DESCRIPTOR_OUTSIDE);
    return v;
  }
  for (uint32_t field = 0; field < field_count(k); field++) {
    if (!field_keeps(k, c->words, field)) breaks(&v, field, field == 0 ? EDGE_REASON_VERSION : EDGE_REASON_RANGE);
    /* act_min above act_max: either may be named. */
    if (v.reasons[field] != 0 && field_rule_of(k, c->words, field).kind == FIELD_ACT_MIN) {
      breaks(&v, field + 1u, EDGE_REASON_RANGE);
    }
  }
  judge_regions(&v, c, a);
  return v;
}

verdict oracle_rows(const test_case *c) {
  verdict v = {{0}, 0};
  const uint32_t begin_field = field_count(c->kernel) - 2u;
  const uint32_t begin = c->words[begin_field], end = c->words[begin_field + 1u];
  const case_rows rows = case_rows_of(c->kernel, c->words);
  if (begin >= end) breaks(&v, begin_field, EDGE_REASON_RANGE);
  if (end > rows.rows) breaks(&v, begin_field + 1u, EDGE_REASON_RANGE);
  if (begin < end && times(end - begin, rows.row_work) > EDGE_MAX_WORK) {
    breaks(&v, begin_field + 1u, EDGE_REASON_WORK);
  }
  return v;
}

int oracle_agrees(const verdict *v, const edge_kernel *k, edge_status status) {
  if (status == 0) return !v->broken;
  return status_kernel(status) == (uint32_t)k->id && status_field(status) < field_count(k) &&
         status_reason(status) < 32u && (v->reasons[status_field(status)] >> status_reason(status) & 1u) != 0;
}
