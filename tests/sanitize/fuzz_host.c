/* The host provider under hostile descriptors, on guard-paged memory.
 *
 *   valid       must be done
 *   known bad   one defect of a known class: must be refused, with the kernel's and the field's name
 *   session     defects of the order of calls: not prepared, changed since, too many rows, too much work, a storm
 *   wild        random words, several mutations: any answer that the oracle gives too
 *
 * Whatever the case: no crash, no sanitizer report, and no byte changed but the declared output of a call done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "campaign.h"
#include "fuzz_bad.h"
#include "fuzz_session.h"

#define HEAVY_BYTES (128u * 65536u)
#define PACKED_LIMIT (UINT64_C(1) << 24)

typedef enum result { VALID, KNOWN_BAD, SESSION, WILD_DONE, WILD_REFUSED, RESULTS } result;
static const char *const RESULT_NAMES[RESULTS] = {"valid", "known bad", "session", "wild, done", "wild, refused"};

#define MOST_DEFECTS 32u
static uint64_t by_kernel[EDGE_KERNEL_COUNT_PLUS_ONE][RESULTS], by_session[MOST_DEFECTS], by_defect[MOST_DEFECTS];

/* ---- valid ---- */

static void valid_case(bench *b) {
  case_make(&b->r, b->c.kernel, CASE_ANY, b->a, &b->c);
  const verdict v = oracle_descriptor(&b->c, b->a);
  require(b, !v.broken, "the generator broke a rule", 0);
  bench_prepare(b);
  const uint32_t rows = (uint32_t)case_rows_of(b->c.kernel, b->c.words).rows;
  uint32_t begin = 0;
  for (uint32_t slices = 0; slices < 3 && begin < rows; slices++) {
    const uint32_t end = rng_once_in(&b->r, 2) ? rows : (uint32_t)rng_range(&b->r, begin + 1u, rows);
    case_set_rows(&b->c, begin, end);
    case_store(b->a, &b->c);
    require_done(b, bench_call(b, b->c.kernel, edge_host_check), "a valid descriptor must pass the check");
    require_done(b, bench_call(b, b->c.kernel, edge_host_call), "a valid descriptor must be done");
    begin = end;
  }
  by_kernel[b->c.kernel->id][VALID]++;
}

/* ---- known bad ---- */

static int named_alike(const edge_kernel *k, const uint32_t *words, uint32_t field, uint32_t named) {
  if (field == named) return 1;
  const field_kind kind = field_rule_of(k, words, field).kind;
  return (kind == FIELD_ACT_MIN && named == field + 1u) || (kind == FIELD_ACT_MAX && named + 1u == field);
}

static void known_bad_case(bench *b, arena *whole, uint64_t number) {
  const edge_kernel *k = b->c.kernel;
  arena *usual = b->a;
  for (uint64_t turn = number;; turn++) {
    const uint32_t index = (uint32_t)(rng_mix(turn) % DEFECT_COUNT);
    b->a = DEFECTS[index].whole ? whole : usual;
    case_make(&b->r, k, CASE_ANY, b->a, &b->c);
    const int field = DEFECTS[index].spoil(&b->r, b->a, &b->c);
    if (field < 0) continue;
    case_store(b->a, &b->c);
    const verdict v = oracle_descriptor(&b->c, b->a);
    const uint32_t own = v.reasons[field] & ~(1u << EDGE_REASON_OVERLAP);
    if (!v.broken || (own == 0 && DEFECTS[index].exact)) continue; /* harmless after all */
    const edge_status status = bench_call(b, k, k->pack != NULL ? edge_host_prepare : edge_host_call);
    require(b, oracle_agrees(&v, k, status), DEFECTS[index].name, status);
    if (DEFECTS[index].exact && status_reason(status) != EDGE_REASON_OVERLAP) { /* that has two fields to name */
      require(b, named_alike(k, b->c.words, (uint32_t)field, status_field(status)),
              "another field was named than the one at fault", status);
    }
    const edge_status again = bench_call(b, k, edge_host_call);
    require(b, again != 0 && status_kernel(again) == (uint32_t)k->id, "a bad descriptor was done", again);
    by_defect[index]++;
    by_kernel[k->id][KNOWN_BAD]++;
    return;
  }
}

/* ---- session ---- */

static void session_case(bench *b, uint64_t number) {
  const edge_kernel *k = b->c.kernel;
  for (uint64_t turn = number;; turn++) {
    const uint32_t index = (uint32_t)(rng_mix(turn) % SESSION_COUNT);
    if (k->pack != NULL ? !SESSIONS[index].packed : !SESSIONS[index].plain) continue;
    if (SESSIONS[index].slow && !rng_once_in(&b->r, 16)) continue;
    case_make(&b->r, k, CASE_ANY, b->a, &b->c);
    SESSIONS[index].run(b);
    by_session[index]++;
    by_kernel[k->id][SESSION]++;
    return;
  }
}

/* ---- wild ---- */

static uint32_t interesting(rng *r, const test_case *c, const arena *a) {
  const uint32_t size = (uint32_t)a->memory.size;
  // clang-format off
  const uint32_t values[] = {
      0, 1, 2, 3, 4, 8, 16, 127, 128, 255, 0x80, 65535, 65537, 1u << 22, 1u << 24, 1u << 30, INT32_MAX, 1u << 31,
      EDGE_KERNEL_RESERVE, EDGE_KERNEL_RESERVE - 1u, size, size - 1u, size - 16u, size - 64u, UINT32_MAX,
      UINT32_MAX - 1u, UINT32_MAX - 15u, 0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000, 0xffffff80, 0xffffff7f};
  // clang-format on
  switch (rng_below(r, 6)) {
    case 0:
      return c->words[rng_below(r, field_count(c->kernel))];
    case 1:
      return c->region_count != 0 ? c->words[c->regions[rng_below(r, c->region_count)].field] + rng_below(r, 64) : 0;
    case 2:
      return (uint32_t)rng_range(r, EDGE_KERNEL_RESERVE, size);
    case 3:
      return rng_u32(r) >> rng_below(r, 32);
    default:
      return RNG_PICK(r, values);
  }
}

static void mutate(rng *r, arena *a, test_case *c) {
  const uint32_t count = field_count(c->kernel), changes = rng_once_in(r, 2) ? 1u : 1u + rng_below(r, 6);
  const uint32_t small_steps = 1u + rng_below(r, 4);
  for (uint32_t i = 0; i < changes; i++) {
    const uint32_t field = rng_below(r, count);
    if (field < 2 && !rng_once_in(r, 4)) continue;
    if (rng_once_in(r, small_steps)) {
      c->words[field] += (uint32_t)rng_range(r, -4, 4);
    } else {
      c->words[field] = interesting(r, c, a);
    }
  }
  if (rng_once_in(r, 8)) {
    for (uint32_t field = 2; field < count; field++) c->words[field] = rng_u32(r) >> rng_below(r, 32);
  }
  if (rng_once_in(r, 16)) c->descriptor = interesting(r, c, a);
  for (uint32_t i = rng_below(r, 4); i > 0; i--) {
    const uint32_t at = (uint32_t)rng_range(r, (int64_t)a->bottom, (int64_t)a->memory.size - 4) / 4u * 4u;
    const uint32_t word = interesting(r, c, a);
    memcpy(a->memory.base + at, &word, 4);
  }
}

static void wild_case(bench *b) {
  const edge_kernel *k = b->c.kernel;
  case_make(&b->r, k, CASE_ANY, b->a, &b->c);
  mutate(&b->r, b->a, &b->c);
  case_store(b->a, &b->c);
  char text[64];
  const size_t size = rng_below(&b->r, sizeof text + 1u);
  const size_t length = edge_status_text((edge_status)rng_u32(&b->r), rng_u32(&b->r), text, size);
  require(b, length < size || (length == 0 && size == 0), "the text of a wild status is too long", 0);
  verdict v = oracle_descriptor(&b->c, b->a);
  edge_status status = 0;
  if (k->pack != NULL) {
    status = bench_call(b, k, edge_host_prepare);
    require(b, oracle_agrees(&v, k, status), "prepare and the oracle do not agree", status);
    if (status != 0) { /* then the call looks at nothing but place, version and node */
      memset(v.reasons + NODE_FIELD + 1u, 0, sizeof v.reasons - (NODE_FIELD + 1u) * sizeof v.reasons[0]);
      v.reasons[NODE_FIELD] |= 1u << EDGE_REASON_NOT_PREPARED;
    }
  }
  if (!v.broken) v = oracle_rows(&b->c);
  status = bench_call(b, k, edge_host_call);
  require(b, oracle_agrees(&v, k, status), "the call and the oracle do not agree", status);
  by_kernel[k->id][status == 0 ? WILD_DONE : WILD_REFUSED]++;
}

/* ---- all of them ---- */

/* What all cases share. */
typedef struct bench_stock {
  arena small; /* most cases */
  arena whole; /* 4 GiB; only valid descriptors: nothing below the tensors may be touched */
  arena lower; /* the same, but a bad descriptor may turn out to point below */
  arena heavy;
  edge_isa isas[8];
  uint32_t isa_count;
} bench_stock;

static void run_one(const campaign *run, uint64_t number, bench_stock *all) {
  bench b = {.r = rng_of(run->seed, number), .a = &all->small, .heavy = &all->heavy};
  b.c.kernel = edge_kernel_by_id(1u + (uint32_t)(number / 8u % KERNEL_COUNT));
  b.isa = all->isas[rng_below(&b.r, all->isa_count)];
  b.host = edge_host_open(b.isa, PACKED_LIMIT, 1);
  if (b.host == NULL) campaign_violation("no host for %s", edge_isa_name(b.isa));
  if (rng_once_in(&b.r, 4)) b.a = number % 8u < 2u ? &all->whole : &all->lower;
  switch (number % 8u) {
    case 0:
      valid_case(&b);
      break;
    case 1:
      session_case(&b, number);
      break;
    case 2:
    case 3:
    case 4:
      known_bad_case(&b, &all->lower, number);
      break;
    default:
      wild_case(&b);
      break;
  }
  if (run->verbose) bench_say(&b);
  edge_host_close(b.host);
}

static void print_table(void) {
  printf("%-22s", "kernel");
  for (uint32_t i = 0; i < RESULTS; i++) printf("%14s", RESULT_NAMES[i]);
  printf("\n");
  for (uint32_t id = 1; id <= KERNEL_COUNT; id++) {
    printf("%-22s", edge_kernel_by_id(id)->name);
    for (uint32_t i = 0; i < RESULTS; i++) printf("%14" PRIu64, by_kernel[id][i]);
    printf("\n");
  }
  for (uint32_t i = 0; i < DEFECT_COUNT; i++) printf("defect %-15s%14" PRIu64 "\n", DEFECTS[i].name, by_defect[i]);
  for (uint32_t i = 0; i < SESSION_COUNT; i++) printf("session %-14s%14" PRIu64 "\n", SESSIONS[i].name, by_session[i]);
}

int main(int argc, char **argv) {
  const campaign run = campaign_start(argc, argv);
  bench_stock all = {
      .small = arena_open(ARENA_SMALL_BYTES, EDGE_KERNEL_RESERVE + ARENA_SMALL_BYTES, 0),
      .whole = arena_open(ARENA_SMALL_BYTES, ARENA_WHOLE, 0),
      .lower = arena_open(ARENA_SMALL_BYTES, ARENA_WHOLE, 1),
      .heavy = arena_open(HEAVY_BYTES, EDGE_KERNEL_RESERVE + HEAVY_BYTES, 0),
  };
  for (int isa = 0; isa < 8; isa++) {
    if (edge_isa_usable((edge_isa)isa)) all.isas[all.isa_count++] = (edge_isa)isa;
  }
  for (uint64_t number = run.first; number < run.first + run.count; number++) {
    campaign_case(number);
    run_one(&run, number, &all);
  }
  print_table();
  arena_close(&all.small);
  arena_close(&all.whole);
  arena_close(&all.lower);
  arena_close(&all.heavy);
  return 0;
}
