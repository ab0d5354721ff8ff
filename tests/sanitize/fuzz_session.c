/* See fuzz_session.h. */
#include "fuzz_session.h"

#if defined(__SANITIZE_ADDRESS__)
/* Of the sanitizer's allocator; GCC installs no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);
#else
static size_t __sanitizer_get_current_allocated_bytes(void) { return 0; }
#endif

static void not_prepared(bench *b) {
  require_status(b, bench_call(b, b->c.kernel, edge_host_call), NODE_FIELD, EDGE_REASON_NOT_PREPARED,
                 "a call without prepare must be refused");
  bench_prepare(b);
  require_done(b, bench_call(b, b->c.kernel, edge_host_call), "the same call after prepare must be done");
}

static void changed_since(bench *b) {
  bench_prepare(b);
  const uint32_t field = (uint32_t)rng_range(&b->r, 1, field_count(b->c.kernel) - 3u);
  const uint32_t old = b->c.words[field];
  b->c.words[field] = rng_once_in(&b->r, 2) ? old ^ 1u << rng_below(&b->r, 32) : rng_u32(&b->r);
  if (b->c.words[field] == old) b->c.words[field] ^= 1u;
  case_store(b->a, &b->c);
  const edge_status status = bench_call(b, b->c.kernel, edge_host_call);
  if (b->c.words[NODE_FIELD] >= EDGE_MAX_NODES) {
    require_status(b, status, NODE_FIELD, EDGE_REASON_RANGE, "a node out of range must be refused");
  } else {
    require_status(b, status, NODE_FIELD, EDGE_REASON_NOT_PREPARED,
                   "a descriptor changed since prepare must be refused");
  }
  b->c.words[field] = old;
  case_store(b->a, &b->c);
  require_done(b, bench_call(b, b->c.kernel, edge_host_call), "the prepared descriptor must still be done");
}

/* A node prepared for one kernel, called as another: as its twin of the other type, with the same layout. */
static void other_kernel(bench *b) {
  bench_prepare(b);
  const edge_kernel *k = b->c.kernel;
  const edge_kernel *twin = edge_kernel_by_id((uint32_t)(field_is_float(k) ? k->id - 1u : k->id + 1u));
  const edge_status status = bench_call(b, twin, edge_host_call);
  require(b, status == EDGE_STATUS(twin->id, NODE_FIELD, EDGE_REASON_NOT_PREPARED),
          "a node prepared for another kernel must be refused", status);
}

static void memory_shrank(bench *b) {
  bench_prepare(b);
  edge_memory smaller = b->a->memory;
  smaller.size -= 65536u;
  const edge_status status = edge_host_call(b->host, b->c.kernel->id, smaller, b->c.descriptor);
  require(b, status != 0, "a call in a smaller memory must be refused", status);
  bench_check_text(b, b->c.kernel, status);
}

static void bad_rows(bench *b) {
  bench_prepare(b);
  const uint32_t rows = (uint32_t)case_rows_of(b->c.kernel, b->c.words).rows;
  const uint32_t begins[] = {0, 0, rows, rows, UINT32_MAX, 1, rows - 1u, 1u << 31};
  const uint32_t ends[] = {0, rows + 1u, rows, rows + 1u, 0, 1, UINT32_MAX, (1u << 31) + 1u};
  const uint32_t i = rng_below(&b->r, 8);
  case_set_rows(&b->c, begins[i], ends[i]);
  case_store(b->a, &b->c);
  const verdict v = oracle_rows(&b->c);
  const edge_status status = bench_call(b, b->c.kernel, edge_host_call);
  require(b, v.broken && oracle_agrees(&v, b->c.kernel, status), "rows out of range must be refused", status);
}

/* Does not watch the memory: it is large, and the call must not get as far as touching it. */
static void too_much_work(bench *b) {
  arena *heavy = b->heavy;
  case_make(&b->r, b->c.kernel, CASE_HEAVY, heavy, &b->c);
  if (b->c.kernel->pack != NULL) {
    require_done(b, edge_host_prepare(b->host, b->c.kernel->id, heavy->memory, b->c.descriptor),
                 "a large descriptor must be prepared");
  }
  const edge_status status = edge_host_call(b->host, b->c.kernel->id, heavy->memory, b->c.descriptor);
  require_status(b, status, field_count(b->c.kernel) - 1u, EDGE_REASON_WORK, "too much work must be refused");
  bench_check_text(b, b->c.kernel, status);
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
  b->host = edge_host_open(b->isa, limit, 1);
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
    require_done(b, bench_call(b, b->c.kernel, edge_host_call), "the first node must still be done");
  }
  edge_host_close(b->host);
  require(b, __sanitizer_get_current_allocated_bytes() <= allocated, "the host leaks", status);
  b->host = generous;
}

static void prepare_plain(bench *b) {
  const edge_status status = bench_call(b, b->c.kernel, edge_host_prepare);
  require(b, status != 0 && status_kernel(status) == (uint32_t)b->c.kernel->id, "a plain kernel has no prepare",
          status);
}

const session SESSIONS[] = {
    {"rows", bad_rows, 1, 1, 0},
    {"too_much_work", too_much_work, 1, 1, 1},
    {"prepare_plain", prepare_plain, 0, 1, 0},
    {"not_prepared", not_prepared, 1, 0, 0},
    {"changed_since", changed_since, 1, 0, 0},
    {"other_kernel", other_kernel, 1, 0, 0},
    {"memory_shrank", memory_shrank, 1, 0, 0},
    {"storm", storm, 1, 0, 0},
};
const uint32_t SESSION_COUNT = sizeof SESSIONS / sizeof SESSIONS[0];
