/* See fuzz_bad.h. */
#include "fuzz_bad.h"

#include <math.h>
#include <string.h>

/* ---- picking a field ---- */

static int is_dim(field_kind kind) {
  return kind == FIELD_DIM || kind == FIELD_MULTIPLE || kind == FIELD_DIVISOR || kind == FIELD_POWER_OF_TWO;
}
static int is_pad(field_kind kind) { return kind == FIELD_PAD; }
static int is_number(field_kind kind) { return kind == FIELD_INT || kind == FIELD_CHOICE; }
static int is_bound(field_kind kind) { return kind == FIELD_ACT_MIN || kind == FIELD_ACT_MAX; }
static int is_region_bytes(field_kind kind) { return kind == FIELD_REGION_BYTES; }
static int is_real(field_kind kind) {
  return kind == FIELD_FINITE || kind == FIELD_POSITIVE || kind == FIELD_REAL_ZERO;
}

static int pick_field(rng *r, const test_case *c, int (*wanted)(field_kind)) {
  const uint32_t count = field_count(c->kernel), start = rng_below(r, count);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t field = (start + i) % count;
    if (wanted(field_rule_of(c->kernel, c->words, field).kind)) return (int)field;
  }
  return -1;
}

static int set(test_case *c, int field, uint32_t value) {
  c->words[field] = value;
  return field;
}

/* ---- version, node, place of the descriptor ---- */

static int version(rng *r, arena *a, test_case *c) {
  static const uint32_t values[] = {0, 2, 0x100, 0x01000000, UINT32_MAX};
  (void)a;
  return set(c, 0, RNG_PICK(r, values));
}

static int node(rng *r, arena *a, test_case *c) {
  static const uint32_t values[] = {EDGE_MAX_NODES, EDGE_MAX_NODES + 1u, 1u << 16, 1u << 31, UINT32_MAX};
  (void)a;
  return set(c, 1, RNG_PICK(r, values));
}

static int descriptor_place(rng *r, arena *a, test_case *c) {
  const uint32_t size = (uint32_t)a->memory.size, bytes = c->kernel->desc_bytes;
  const uint32_t values[] = {size,
                             size - bytes + 4u,
                             size - 4u,
                             0,
                             4,
                             EDGE_KERNEL_RESERVE - 4u,
                             UINT32_MAX - 3u,
                             UINT32_MAX - bytes + 1u,
                             c->descriptor + (uint32_t)rng_range(r, 1, 3),
                             UINT32_MAX};
  c->descriptor = RNG_PICK(r, values);
  return 0;
}

/* ---- regions ---- */

static const case_region *pick_region(rng *r, const test_case *c) { return &c->regions[rng_below(r, c->region_count)]; }

static int region_outside(rng *r, arena *a, test_case *c) {
  const case_region *region = pick_region(r, c);
  const uint64_t size = a->memory.size, bytes = region->at.bytes, align = region->align;
  const uint64_t values[] = {size, (size - bytes) / align * align + align, (UINT64_C(1) << 32) - align,
                             UINT64_C(1) << 31, (size + (uint64_t)rng_below(r, 1u << 30)) / align * align};
  return set(c, (int)region->field, (uint32_t)RNG_PICK(r, values));
}

/* offset + bytes is a good place modulo 2^32. */
static int region_wraps(rng *r, arena *a, test_case *c) {
  const case_region *region = pick_region(r, c);
  const uint64_t before_wrap =
      (uint64_t)rng_below(r, (uint32_t)(region->at.bytes < 4096 ? region->at.bytes : 4096)) + 1u;
  (void)a;
  return set(c, (int)region->field, (uint32_t)(((UINT64_C(1) << 32) - before_wrap) / region->align * region->align));
}

static int region_in_reserve(rng *r, arena *a, test_case *c) {
  const case_region *region = pick_region(r, c);
  const uint32_t values[] = {EDGE_KERNEL_RESERVE - region->align, region->align, rng_below(r, EDGE_KERNEL_RESERVE), 16};
  (void)a;
  const uint32_t at = RNG_PICK(r, values) / region->align * region->align;
  return set(c, (int)region->field, at != 0 ? at : region->align);
}

static int region_misaligned(rng *r, arena *a, test_case *c) {
  (void)a;
  for (uint32_t tries = 0; tries < 8; tries++) {
    const case_region *region = pick_region(r, c);
    if (region->align == 1) continue;
    const uint32_t offset = c->words[region->field] - (uint32_t)rng_range(r, 1, region->align - 1u);
    return set(c, (int)region->field, offset);
  }
  return -1;
}

/* Moves a region that a provider writes onto another one. */
static int regions_overlap(rng *r, arena *a, test_case *c) {
  for (uint32_t tries = 0; tries < 16; tries++) {
    const case_region *written = pick_region(r, c), *other = pick_region(r, c);
    if (written->role == REGION_READ || written == other) continue;
    const uint64_t low = other->at.begin > written->at.bytes ? other->at.begin - written->at.bytes + 1u : 0;
    uint64_t at = (uint64_t)rng_range(r, (int64_t)low, (int64_t)(other->at.begin + other->at.bytes - 1u));
    if (rng_once_in(r, 2)) at = other->at.begin;
    at = at / written->align * written->align;
    if (!extent_inside((extent){(uint32_t)at, written->at.bytes}, &a->memory)) continue;
    const uint32_t old = c->words[written->field];
    c->words[written->field] = (uint32_t)at;
    case_store(a, c);
    const verdict v = oracle_descriptor(c, a);
    if ((v.reasons[written->field] >> EDGE_REASON_OVERLAP & 1u) != 0) return (int)written->field;
    c->words[written->field] = old;
    case_store(a, c);
  }
  return -1;
}

static int region_too_small(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_region_bytes);
  (void)a;
  if (field < 0) return -1;
  const uint32_t least = (uint32_t)field_rule_of(c->kernel, c->words, (uint32_t)field).low;
  const uint32_t values[] = {0, least - 1u, least / 2u, 1};
  return set(c, field, RNG_PICK(r, values));
}

/* ---- shapes ---- */

static int size_zero(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_dim);
  (void)a;
  return field < 0 ? -1 : set(c, field, 0);
}

static int size_huge(rng *r, arena *a, test_case *c) {
  static const uint32_t values[] = {UINT32_MAX, 1u << 31, INT32_MAX, 1u << 24, (1u << 24) + 1u, 0xffff0001u, 1u << 30};
  const int field = pick_field(r, c, is_dim);
  (void)a;
  return field < 0 ? -1 : set(c, field, RNG_PICK(r, values));
}

/* Several sizes at once. */
static int sizes_huge(rng *r, arena *a, test_case *c) {
  static const uint32_t values[] = {1u << 16, 0x10001,     0xffff,     0x8001,     1u << 31, 1u << 22,
                                    1u << 21, 0x80000001u, UINT32_MAX, 0x00ffffff, 1u << 30, 1u << 17};
  int field = -1;
  (void)a;
  for (uint32_t i = 0; i < 4; i++) {
    field = pick_field(r, c, is_dim);
    if (field >= 0) set(c, field, RNG_PICK(r, values));
  }
  return field;
}

static int padding(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_pad);
  (void)a;
  if (field < 0) return -1;
  const uint32_t high = (uint32_t)field_rule_of(c->kernel, c->words, (uint32_t)field).high;
  const uint32_t values[] = {high + 1u, high + 2u, 1u << 20, 1u << 31, UINT32_MAX};
  return set(c, field, RNG_PICK(r, values));
}

static int odd_size(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_dim);
  (void)a;
  if (field < 0) return -1;
  const field_rule rule = field_rule_of(c->kernel, c->words, (uint32_t)field);
  if (rule.high < UINT32_MAX && rule.kind != FIELD_DIVISOR) return set(c, field, (uint32_t)rule.high + 1u);
  return set(c, field, c->words[field] + 1u);
}

/* ---- numbers ---- */

static int number(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_number);
  (void)a;
  if (field < 0) return -1;
  const field_rule rule = field_rule_of(c->kernel, c->words, (uint32_t)field);
  const int64_t values[] = {rule.low - 1, rule.high + 1, INT32_MIN, INT32_MAX, rule.low - 1000, rule.high + 1000};
  return set(c, field, (uint32_t)RNG_PICK(r, values));
}

static int bound(rng *r, arena *a, test_case *c) {
  const int field = pick_field(r, c, is_bound);
  (void)a;
  if (field < 0) return -1;
  const int is_min = field_rule_of(c->kernel, c->words, (uint32_t)field).kind == FIELD_ACT_MIN;
  if (field_is_float(c->kernel)) {
    const float partner = word_float(c->words[is_min ? field + 1 : field - 1]);
    const float values[] = {NAN, -NAN, is_min ? nextafterf(partner, INFINITY) : nextafterf(partner, -INFINITY)};
    return set(c, field, float_word(RNG_PICK(r, values)));
  }
  const int32_t partner = (int32_t)c->words[is_min ? field + 1 : field - 1];
  const int32_t values[] = {is_min ? partner + 1 : partner - 1, is_min ? -129 : 128, INT32_MIN, INT32_MAX};
  return set(c, field, (uint32_t)RNG_PICK(r, values));
}

static int real(rng *r, arena *a, test_case *c) {
  static const float values[] = {NAN, INFINITY, -INFINITY, -NAN, 0.0f, -0.0f, -1.0f, -0x1p-149f};
  const int field = pick_field(r, c, is_real);
  (void)a;
  return field < 0 ? -1 : set(c, field, float_word(RNG_PICK(r, values)));
}

/* One element of a table that the descriptor points at. */
static int table(rng *r, arena *a, test_case *c) {
  static const int32_t multipliers[] = {-1, 1, (1 << 30) - 1, INT32_MIN}, shifts[] = {-32, 31, INT32_MIN, INT32_MAX};
  static const double scales[] = {NAN, INFINITY, -INFINITY, -1.0, -0x1p-1074};
  static const uint32_t edges[] = {UINT32_MAX, 1u << 31, 1u << 20};
  for (uint32_t tries = 0; tries < 16; tries++) {
    const case_region *region = pick_region(r, c);
    const char *name = field_name(c->kernel, region->field);
    uint8_t *at = a->memory.base + region->at.begin;
    if (region->role != REGION_READ) continue;
    if (region->type == TYPE_F64) {
      memcpy(at + 8u * rng_below(r, (uint32_t)region->at.bytes / 8u), &RNG_PICK(r, scales), 8);
    } else if (region->type == TYPE_U32) {
      memcpy(at + 4u * rng_below(r, (uint32_t)region->at.bytes / 4u), &RNG_PICK(r, edges), 4);
    } else if (region->type == TYPE_S32 && strcmp(name, "multiplier") == 0) {
      memcpy(at + 4u * rng_below(r, (uint32_t)region->at.bytes / 4u), &RNG_PICK(r, multipliers), 4);
    } else if (region->type == TYPE_S32 && strcmp(name, "shift") == 0) {
      memcpy(at + 4u * rng_below(r, (uint32_t)region->at.bytes / 4u), &RNG_PICK(r, shifts), 4);
    } else {
      continue;
    }
    return (int)region->field;
  }
  return -1;
}

const defect DEFECTS[] = {
    {"version", version, 1, 0},
    {"node", node, 1, 0},
    {"descriptor", descriptor_place, 1, 0},
    {"outside", region_outside, 1, 0},
    {"wraps", region_wraps, 1, 0},
    {"in_reserve", region_in_reserve, 1, 0},
    {"misaligned", region_misaligned, 1, 0},
    {"overlap", regions_overlap, 0, 0},
    {"too_small", region_too_small, 0, 0},
    {"size_zero", size_zero, 0, 0},
    {"size_huge", size_huge, 0, 0},
    {"sizes_huge", sizes_huge, 0, 0},
    {"extent_wraps", fuzz_extent_wraps, 1, 1},
    {"padding", padding, 1, 0},
    {"odd_size", odd_size, 0, 0},
    {"number", number, 1, 0},
    {"bound", bound, 1, 0},
    {"real", real, 1, 0},
    {"table", table, 1, 0},
};
const uint32_t DEFECT_COUNT = sizeof DEFECTS / sizeof DEFECTS[0];
