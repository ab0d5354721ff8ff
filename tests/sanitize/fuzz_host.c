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
#include "kernels/provider/host.h"

#if defined(__SANITIZE_ADDRESS__)
/* Of the sanitizer's allocator; GCC installs no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);
#else
static size_t __sanitizer_get_current_allocated_bytes(void) { return 0; }
#endif

#define HEAVY_BYTES (128u * 65536u)
#define PACKED_LIMIT (UINT64_C(1) << 24)

typedef enum result { VALID, KNOWN_BAD, SESSION, WILD_DONE, WILD_REFUSED, RESULTS } result;
static const char *const RESULT_NAMES[RESULTS] = {"valid", "known bad", "session", "wild, done", "wild, refused"};

/* What one case works with. */
typedef struct bench {
  rng r;
  arena *a;
  edge_host *host;
  edge_isa isa;
  test_case c;
} bench;

static const char *SESSION_NAMES[] = {"not_prepared", "changed_since", "other_kernel", "memory_shrank",
                                      "rows",         "too_much_work", "storm",        "prepare_plain"};
enum { SESSIONS = sizeof SESSION_NAMES / sizeof SESSION_NAMES[0] };
#define MOST_DEFECTS 32u

static uint64_t by_kernel[EDGE_KERNEL_COUNT_PLUS_ONE][RESULTS], by_session[SESSIONS], by_defect[MOST_DEFECTS];

/* ---- one watched call ---- */

typedef edge_status host_function(edge_host *, edge_kernel_id, edge_memory, uint32_t);

static void say_case(const bench *b) {
  fprintf(stderr, "%s on %s, descriptor 0x%08" PRIx32 "\n", b->c.kernel->name, edge_isa_name(b->isa), b->c.descriptor);
  for (uint32_t field = 0; field < field_count(b->c.kernel); field++) {
    fprintf(stderr, "  %-18s %11" PRIu32 " 0x%08" PRIx32 "\n", field_name(b->c.kernel, field), b->c.words[field],
            b->c.words[field]);
  }
}

static void check_text(const bench *b, const edge_kernel *k, edge_status status) {
  char text[256], field[64], kernel[64];
  const size_t length = edge_status_text(status, b->c.descriptor, text, sizeof text);
  snprintf(field, sizeof field, "`%s`", field_name(k, status_field(status)));
  snprintf(kernel, sizeof kernel, "edge_kernels.%s:", k->name);
  if (length != strlen(text) || strstr(text, kernel) == NULL || strstr(text, field) == NULL) {
    say_case(b);
    campaign_violation("status 0x%08x reads \"%s\": it must name %s and %s", (unsigned)status, text, kernel, field);
  }
}

/* Calls `function` while all but the descriptor's regions are poisoned; what it changed must be declared. */
static edge_status watched(bench *b, const edge_kernel *k, host_function *function) {
  extent open[MAX_REGIONS + 1u], allowed[MAX_REGIONS];
  uint32_t open_count = 0, allowed_count = 0;
  arena_remember(b->a);
  for (uint32_t i = 0; i < b->c.region_count; i++) {
    if (b->c.regions[i].role != REGION_SANDBOX) open[open_count++] = b->c.regions[i].at;
  }
  open[open_count++] = case_descriptor_extent(&b->c, b->a);
  arena_poison_all_but(b->a, open, open_count);
  const edge_status status = function(b->host, k->id, b->a->memory, b->c.descriptor);
  arena_unpoison(b->a);
  for (uint32_t i = 0; i < b->c.region_count; i++) {
    if (status == 0 && function == edge_host_call && region_may_change(&b->c.regions[i])) {
      allowed[allowed_count++] = b->c.regions[i].at;
    }
  }
  const uint64_t at = arena_changed(b->a, allowed, allowed_count);
  if (at != 0) {
    say_case(b);
    campaign_violation("byte 0x%08" PRIx64 " of linear memory was changed (status 0x%08x)", at, (unsigned)status);
  }
  if (status != 0) check_text(b, k, status);
  return status;
}

static void require(const bench *b, int condition, const char *what, edge_status status) {
  if (condition) return;
  char text[256] = "done";
  if (status != 0) edge_status_text(status, b->c.descriptor, text, sizeof text);
  say_case(b);
  campaign_violation("%s; the answer was: %s", what, text);
}

static void require_done(const bench *b, edge_status status, const char *what) {
  require(b, status == 0, what, status);
}

static void require_status(const bench *b, edge_status status, uint32_t field, edge_reason reason, const char *what) {
  require(b, status == EDGE_STATUS(b->c.kernel->id, field, reason), what, status);
}

/* ---- valid ---- */

static void prepare_valid(bench *b) {
  if (b->c.kernel->pack == NULL) return;
  require_done(b, watched(b, b->c.kernel, edge_host_prepare), "a valid descriptor must be prepared");
}

static void valid_case(bench *b) {
  case_make(&b->r, b->c.kernel, CASE_ANY, b->a, &b->c);
  const verdict v = oracle_descriptor(&b->c, b->a);
  require(b, !v.broken, "the generator broke a rule", 0);
  prepare_valid(b);
  const uint32_t rows = (uint32_t)case_rows_of(b->c.kernel, b->c.words).rows;
  uint32_t begin = 0;
  for (uint32_t slices = 0; slices < 3 && begin < rows; slices++) {
    const uint32_t end = rng_once_in(&b->r, 2) ? rows : (uint32_t)rng_range(&b->r, begin + 1u, rows);
    case_set_rows(&b->c, begin, end);
    case_store(b->a, &b->c);
    require_done(b, watched(b, b->c.kernel, edge_host_check), "a valid descriptor must pass the check");
    require_done(b, watched(b, b->c.kernel, edge_host_call), "a valid descriptor must be done");
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

static void known_bad_case(bench *b, uint64_t number) {
  const edge_kernel *k = b->c.kernel;
  for (uint64_t turn = number;; turn++) {
    const uint32_t index = (uint32_t)(rng_mix(turn) % DEFECT_COUNT);
    case_make(&b->r, k, CASE_ANY, b->a, &b->c);
    const int field = DEFECTS[index].spoil(&b->r, b->a, &b->c);
    if (field < 0) continue;
    case_store(b->a, &b->c);
    const verdict v = oracle_descriptor(&b->c, b->a);
    if (!v.broken || (v.reasons[field] == 0 && DEFECTS[index].exact)) continue; /* harmless after all */
    const edge_status status = watched(b, k, k->pack != NULL ? edge_host_prepare : edge_host_call);
    require(b, oracle_agrees(&v, k, status), DEFECTS[index].name, status);
    if (DEFECTS[index].exact) {
      require(b, named_alike(k, b->c.words, (uint32_t)field, status_field(status)),
              "another field was named than the one at fault", status);
    }
    const edge_status again = watched(b, k, edge_host_call);
    require(b, again != 0 && status_kernel(again) == (uint32_t)k->id, "a bad descriptor was done", again);
    by_defect[index]++;
    by_kernel[k->id][KNOWN_BAD]++;
    return;
  }
}

/* ---- session ---- */

#define NODE_FIELD 1u

static void not_prepared(bench *b) {
  require_status(b, watched(b, b->c.kernel, edge_host_call), NODE_FIELD, EDGE_REASON_NOT_PREPARED,
                 "a call without prepare must be refused");
  prepare_valid(b);
  require_done(b, watched(b, b->c.kernel, edge_host_call), "the same call after prepare must be done");
}

static void changed_since(bench *b) {
  prepare_valid(b);
  const uint32_t field = (uint32_t)rng_range(&b->r, 1, field_count(b->c.kernel) - 3u);
  const uint32_t old = b->c.words[field];
  b->c.words[field] = rng_once_in(&b->r, 2) ? old ^ 1u << rng_below(&b->r, 32) : rng_u32(&b->r);
  if (b->c.words[field] == old) b->c.words[field] ^= 1u;
  case_store(b->a, &b->c);
  const edge_status status = watched(b, b->c.kernel, edge_host_call);
  if (b->c.words[NODE_FIELD] >= EDGE_MAX_NODES) {
    require_status(b, status, NODE_FIELD, EDGE_REASON_RANGE, "a node out of range must be refused");
  } else {
    require_status(b, status, NODE_FIELD, EDGE_REASON_NOT_PREPARED,
                   "a descriptor changed since prepare must be refused");
  }
  b->c.words[field] = old;
  case_store(b->a, &b->c);
  require_done(b, watched(b, b->c.kernel, edge_host_call), "the prepared descriptor must still be done");
}

/* A node prepared for one kernel, called as another: as its twin of the other type, with the same layout. */
static void other_kernel(bench *b) {
  prepare_valid(b);
  const edge_kernel *k = b->c.kernel;
  const edge_kernel *twin = edge_kernel_by_id((uint32_t)(field_is_float(k) ? k->id - 1u : k->id + 1u));
  const edge_status status = watched(b, twin, edge_host_call);
  require(b, status == EDGE_STATUS(twin->id, NODE_FIELD, EDGE_REASON_NOT_PREPARED),
          "a node prepared for another kernel must be refused", status);
}

static void memory_shrank(bench *b) {
  prepare_valid(b);
  edge_memory smaller = b->a->memory;
  smaller.size -= 65536u;
  const edge_status status = edge_host_call(b->host, b->c.kernel->id, smaller, b->c.descriptor);
  require(b, status != 0, "a call in a smaller memory must be refused", status);
  check_text(b, b->c.kernel, status);
}

static void bad_rows(bench *b) {
  prepare_valid(b);
  const uint32_t rows = (uint32_t)case_rows_of(b->c.kernel, b->c.words).rows;
  const uint32_t begins[] = {0, 0, rows, rows, UINT32_MAX, 1, rows - 1u, 1u << 31};
  const uint32_t ends[] = {0, rows + 1u, rows, rows + 1u, 0, 1, UINT32_MAX, (1u << 31) + 1u};
  const uint32_t i = rng_below(&b->r, 8);
  case_set_rows(&b->c, begins[i], ends[i]);
  case_store(b->a, &b->c);
  const verdict v = oracle_rows(&b->c);
  const edge_status status = watched(b, b->c.kernel, edge_host_call);
  require(b, v.broken && oracle_agrees(&v, b->c.kernel, status), "rows out of range must be refused", status);
}

/* Does not watch the memory: it is large, and the call must not get as far as touching it. */
static void too_much_work(bench *b, arena *heavy) {
  case_make(&b->r, b->c.kernel, CASE_HEAVY, heavy, &b->c);
  if (b->c.kernel->pack != NULL) {
    require_done(b, edge_host_prepare(b->host, b->c.kernel->id, heavy->memory, b->c.descriptor),
                 "a large descriptor must be prepared");
  }
  const edge_status status = edge_host_call(b->host, b->c.kernel->id, heavy->memory, b->c.descriptor);
  require_status(b, status, field_count(b->c.kernel) - 1u, EDGE_REASON_WORK, "too much work must be refused");
  check_text(b, b->c.kernel, status);
  case_set_rows(&b->c, 0, 1);
  case_store(heavy, &b->c);
  require_done(b, edge_host_call(b->host, b->c.kernel->id, heavy->memory, b->c.descriptor),
               "one row of a large descriptor must be done");
}

/* A guest that prepares node after node: refused when the session's limit is reached, and not an allocation later. */
static void storm(bench *b) {
  edge_host *generous = b->host;
  const uint64_t limit = UINT64_C(1) << rng_range(&b->r, 12, 18);
  const size_t allocated = __sanitizer_get_current_allocated_bytes();
  edge_status status = 0;
  uint32_t node = 0;
  b->host = edge_host_open(b->isa, limit);
  for (; node < EDGE_MAX_NODES && status == 0; node++) {
    b->c.words[NODE_FIELD] = node * 7919u % EDGE_MAX_NODES;
    case_store(b->a, &b->c);
    status = edge_host_prepare(b->host, b->c.kernel->id, b->a->memory, b->c.descriptor);
  }
  require_status(b, status, NODE_FIELD, EDGE_REASON_MEMORY, "a storm of prepares must be refused");
  const size_t now = __sanitizer_get_current_allocated_bytes();
  const size_t slack = 1024u + 64u * (size_t)node; /* its own struct, and rounding up to whole cache lines */
  require(b, now <= allocated + limit + slack, "the host allocated more than its limit", status);
  require_status(b, edge_host_call(b->host, b->c.kernel->id, b->a->memory, b->c.descriptor), NODE_FIELD,
                 EDGE_REASON_NOT_PREPARED, "a node whose prepare was refused must not run");
  if (node > 1) {
    b->c.words[NODE_FIELD] = 0;
    case_store(b->a, &b->c);
    require_done(b, watched(b, b->c.kernel, edge_host_call), "the first node must still be done");
  }
  edge_host_close(b->host);
  require(b, __sanitizer_get_current_allocated_bytes() <= allocated, "the host leaks", status);
  b->host = generous;
}

static void prepare_plain(bench *b) {
  const edge_status status = watched(b, b->c.kernel, edge_host_prepare);
  require(b, status != 0 && status_kernel(status) == (uint32_t)b->c.kernel->id, "a plain kernel has no prepare",
          status);
}

static void session_case(bench *b, arena *heavy, uint64_t number) {
  enum { ROWS = 4, WORK = 5, PLAIN = 7 };
  static void (*const packed[])(bench *) = {not_prepared, changed_since, other_kernel, memory_shrank,
                                            bad_rows,     NULL,          storm};
  uint32_t index = (uint32_t)(rng_mix(number) % PLAIN);
  if (b->c.kernel->pack == NULL && index != ROWS && index != WORK) index = rng_once_in(&b->r, 2) ? ROWS : PLAIN;
  if (index == WORK && !rng_once_in(&b->r, 16)) index = ROWS; /* slow */
  by_kernel[b->c.kernel->id][SESSION]++;
  by_session[index]++;
  if (index == WORK) {
    too_much_work(b, heavy);
    return;
  }
  case_make(&b->r, b->c.kernel, CASE_ANY, b->a, &b->c);
  if (index == PLAIN) {
    prepare_plain(b);
  } else {
    packed[index](b);
  }
}

/* ---- wild ---- */

static uint32_t interesting(rng *r, const test_case *c, const arena *a) {
  const uint32_t size = (uint32_t)a->memory.size;
  const uint32_t values[] = {0,
                             1,
                             2,
                             3,
                             4,
                             8,
                             16,
                             127,
                             128,
                             255,
                             0x80,
                             EDGE_KERNEL_RESERVE,
                             EDGE_KERNEL_RESERVE - 1u,
                             size,
                             size - 1u,
                             size - 16u,
                             size - 64u,
                             65535,
                             65537,
                             1u << 22,
                             1u << 24,
                             1u << 30,
                             INT32_MAX,
                             1u << 31,
                             UINT32_MAX,
                             UINT32_MAX - 1u,
                             UINT32_MAX - 15u,
                             0x7f800000,
                             0xff800000,
                             0x7fc00000,
                             0x3f800000,
                             0xffffff80,
                             0xffffff7f};
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
    status = watched(b, k, edge_host_prepare);
    require(b, oracle_agrees(&v, k, status), "prepare and the oracle do not agree", status);
    if (status != 0) { /* then the call looks at nothing but place, version and node */
      memset(v.reasons + NODE_FIELD + 1u, 0, sizeof v.reasons - (NODE_FIELD + 1u) * sizeof v.reasons[0]);
      v.reasons[NODE_FIELD] |= 1u << EDGE_REASON_NOT_PREPARED;
    }
  }
  if (!v.broken) v = oracle_rows(&b->c);
  status = watched(b, k, edge_host_call);
  require(b, oracle_agrees(&v, k, status), "the call and the oracle do not agree", status);
  by_kernel[k->id][status == 0 ? WILD_DONE : WILD_REFUSED]++;
}

/* ---- all of them ---- */

typedef struct arenas {
  arena small; /* most cases */
  arena whole; /* 4 GiB; only valid descriptors: nothing below the tensors may be touched */
  arena lower; /* the same, but a bad descriptor may turn out to point below */
  arena heavy;
} arenas;

static void run_one(const campaign *run, uint64_t number, arenas *all) {
  bench b = {.r = rng_of(run->seed, number), .a = &all->small};
  b.c.kernel = edge_kernel_by_id(1u + (uint32_t)(number / 8u % KERNEL_COUNT));
  do b.isa = (edge_isa)rng_below(&b.r, 8);
  while (!edge_isa_usable(b.isa));
  b.host = edge_host_open(b.isa, PACKED_LIMIT);
  if (b.host == NULL) campaign_violation("no host for %s", edge_isa_name(b.isa));
  if (rng_once_in(&b.r, 4)) b.a = number % 8u < 2u ? &all->whole : &all->lower;
  switch (number % 8u) {
    case 0:
      valid_case(&b);
      break;
    case 1:
      session_case(&b, &all->heavy, number);
      break;
    case 2:
    case 3:
    case 4:
      known_bad_case(&b, number);
      break;
    default:
      wild_case(&b);
      break;
  }
  if (run->verbose) say_case(&b);
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
  for (uint32_t i = 0; i < SESSIONS; i++) printf("session %-14s%14" PRIu64 "\n", SESSION_NAMES[i], by_session[i]);
}

int main(int argc, char **argv) {
  const campaign run = campaign_start(argc, argv);
  arenas all = {
      .small = arena_open(ARENA_SMALL_BYTES, EDGE_KERNEL_RESERVE + ARENA_SMALL_BYTES, 0),
      .whole = arena_open(ARENA_SMALL_BYTES, ARENA_WHOLE, 0),
      .lower = arena_open(ARENA_SMALL_BYTES, ARENA_WHOLE, 1),
      .heavy = arena_open(HEAVY_BYTES, EDGE_KERNEL_RESERVE + HEAVY_BYTES, 0),
  };
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
