/* The host provider. See host.h; the order of checks is that of abi/kernel.h. */
#include "host.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define PACK_ALIGN 64u

/* A descriptor that was checked, and what prepare_<kernel> left for it. Never reachable through a guest pointer.
 * begin and end are those of the latest call; the words before them are compared with the guest's in every call. */
typedef struct checked_node {
  const edge_kernel *kernel;
  uint64_t memory_bytes; /* size of linear memory when the descriptor was checked */
  uint64_t packed_bytes;
  void *packed;
  uint64_t rows;      /* k->rows() of the descriptor */
  uint64_t most_rows; /* rows that one call may do */
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
} checked_node;

struct edge_host {
  edge_isa isa;
  uint64_t limit;
  uint64_t used; /* packed regions, scratch and the table, bytes */
  checked_node **nodes;
  uint32_t node_count; /* rows of `nodes`, a power of two or 0 */
  edge_pool *pool;     /* NULL: one thread */
  uint32_t threads;
  uint8_t *scratch; /* `threads` areas of scratch_bytes, which is a multiple of PACK_ALIGN */
  uint64_t scratch_bytes;
};

static uint64_t round_up(uint64_t bytes, uint64_t step) { return (bytes + step - 1) / step * step; }

/* Zeroed, so that padding a kernel does not write is the same in every run. */
static void *allocate(uint64_t bytes) {
  void *region = aligned_alloc(PACK_ALIGN, (size_t)round_up(bytes, PACK_ALIGN));
  if (region != NULL) memset(region, 0, (size_t)bytes);
  return region;
}

edge_host *edge_host_open(edge_isa isa, uint64_t packed_limit, uint32_t threads) {
  if (!edge_isa_usable(isa) || threads < 1) return NULL;
  edge_host *host = calloc(1, sizeof *host);
  if (host == NULL) return NULL;
  host->isa = isa;
  host->limit = packed_limit;
  host->threads = threads;
  if (threads == 1) return host;
  host->pool = edge_pool_open(threads);
  if (host->pool != NULL) return host;
  free(host);
  return NULL;
}

void edge_host_after_fork(edge_host *host) {
  if (host != NULL) edge_pool_after_fork(host->pool);
}

static void forget(edge_host *host, uint32_t node) {
  checked_node *old = node < host->node_count ? host->nodes[node] : NULL;
  if (old == NULL) return;
  host->used -= old->packed_bytes + sizeof *old;
  host->nodes[node] = NULL;
  free(old->packed);
  free(old);
}

void edge_host_close(edge_host *host) {
  if (host == NULL) return;
  edge_pool_close(host->pool);
  for (uint32_t node = 0; node < host->node_count; node++) forget(host, node);
  free(host->nodes);
  free(host->scratch);
  free(host);
}

/* 1 if `bytes` more may be allocated for this session. */
static int affordable(const edge_host *host, uint64_t bytes) {
  return host->used <= host->limit && bytes <= host->limit - host->used;
}

/* Make room for row `node` of the table; 0 when there is no memory for it. */
static int grow_table(edge_host *host, uint32_t node) {
  if (node < host->node_count) return 1;
  uint32_t count = host->node_count != 0 ? host->node_count : 16;
  while (count <= node) count *= 2;
  const uint64_t more = (uint64_t)(count - host->node_count) * sizeof *host->nodes;
  if (!affordable(host, more)) return 0;
  checked_node **nodes = realloc(host->nodes, count * sizeof *nodes);
  if (nodes == NULL) return 0;
  memset(nodes + host->node_count, 0, (size_t)more);
  host->nodes = nodes;
  host->node_count = count;
  host->used += more;
  return 1;
}

static int grow_scratch(edge_host *host, uint64_t needed) {
  const uint64_t bytes = round_up(needed, PACK_ALIGN);
  if (bytes <= host->scratch_bytes) return 1;
  const uint64_t more = (bytes - host->scratch_bytes) * host->threads;
  if (needed > host->limit || !affordable(host, more)) return 0;
  void *larger = allocate(bytes * host->threads);
  if (larger == NULL) return 0; /* nodes prepared before still have theirs */
  free(host->scratch);
  host->used += more;
  host->scratch = larger;
  host->scratch_bytes = bytes;
  return 1;
}

static inline int descriptor_inside(const edge_kernel *k, edge_memory memory, uint32_t offset) {
  return offset % 4u == 0 && offset >= EDGE_KERNEL_RESERVE && memory.size >= k->desc_bytes &&
         offset <= memory.size - k->desc_bytes;
}

/* Step 1: the guest's bytes are looked at once, here. */
static edge_status copy_descriptor(const edge_kernel *k, edge_memory memory, uint32_t offset, uint32_t *copy) {
  if (!descriptor_inside(k, memory, offset)) return EDGE_STATUS(k->id, 0, EDGE_REASON_DESCRIPTOR_OUTSIDE);
  memcpy(copy, memory.base + offset, k->desc_bytes);
  if (copy[0] != EDGE_ABI_VERSION) return EDGE_STATUS(k->id, 0, EDGE_REASON_VERSION);
  if (copy[1] >= EDGE_MAX_NODES) return EDGE_STATUS(k->id, 1, EDGE_REASON_RANGE);
  return 0;
}

static inline int same_words(const uint32_t *a, const uint32_t *b, size_t words) {
  uint32_t difference = 0;
  for (size_t i = 0; i < words; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

/* The node that was checked with the very words the guest passes now, or NULL. The words are compared where they lie
 * and the remembered ones are used, so that nothing is looked at twice; only begin and end are taken over. */
static inline checked_node *recall(const edge_host *host, const edge_kernel *k, edge_memory memory, uint32_t offset) {
  if (!descriptor_inside(k, memory, offset)) return NULL;
  const uint32_t *guest = (const uint32_t *)(const void *)(memory.base + offset);
  const uint32_t node = guest[1], words = k->desc_bytes / 4u;
  checked_node *p = node < host->node_count ? host->nodes[node] : NULL;
  if (p == NULL || p->kernel != k || memory.size < p->memory_bytes) return NULL;
  if (!same_words(p->desc, guest, words - 2u)) return NULL;
  p->desc[words - 2u] = guest[words - 2u];
  p->desc[words - 1u] = guest[words - 1u];
  return p;
}

static void fill_node(checked_node *p, const edge_kernel *k, edge_memory memory, const uint32_t *desc) {
  const uint64_t row_work = k->row_work(desc);
  p->kernel = k;
  p->memory_bytes = memory.size;
  p->rows = k->rows(desc);
  p->most_rows = EDGE_MAX_WORK / (row_work != 0 ? row_work : 1);
  memcpy(p->desc, desc, k->desc_bytes);
}

/* Remember a plain kernel's checked descriptor, where there is room: never in place of packed weights. */
static void remember(edge_host *host, const edge_kernel *k, edge_memory memory, const uint32_t *desc) {
  const uint32_t node = desc[1];
  if (k->check_reads || !grow_table(host, node)) return;
  if (host->nodes[node] == NULL) {
    if (!affordable(host, sizeof(checked_node))) return;
    host->nodes[node] = calloc(1, sizeof(checked_node));
    if (host->nodes[node] == NULL) return;
    host->used += sizeof(checked_node);
  }
  if (host->nodes[node]->packed == NULL) fill_node(host->nodes[node], k, memory, desc);
}

edge_status edge_host_prepare(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor) {
  const edge_kernel *k = edge_kernel_by_id((uint32_t)kernel);
  if (k == NULL || k->pack == NULL) return EDGE_STATUS(kernel, 0, EDGE_REASON_RANGE);
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
  edge_status status = copy_descriptor(k, memory, descriptor, desc);
  if (status == 0) status = k->check(desc, &memory);
  if (status != 0) return status;
  const uint32_t node = desc[1];
  const edge_status no_memory = EDGE_STATUS(kernel, 1, EDGE_REASON_MEMORY);
  const uint64_t packed_bytes = k->packed_bytes(desc, host->isa);
  const uint64_t scratch_bytes = k->scratch_bytes != NULL ? k->scratch_bytes(desc, host->isa) : 0;
  forget(host, node);
  if (!grow_table(host, node) || !grow_scratch(host, scratch_bytes)) return no_memory;
  if (packed_bytes > host->limit || !affordable(host, packed_bytes + sizeof(checked_node))) return no_memory;
  checked_node *p = calloc(1, sizeof *p);
  if (p == NULL) return no_memory;
  p->packed = allocate(packed_bytes);
  if (p->packed == NULL && packed_bytes != 0) {
    free(p);
    return no_memory;
  }
  p->packed_bytes = packed_bytes;
  fill_node(p, k, memory, desc);
  k->pack(desc, host->isa, memory.base, p->packed);
  host->nodes[node] = p;
  host->used += packed_bytes + sizeof *p;
  return 0;
}

/* Steps 1 to 3 of a call whose words are not remembered. */
static edge_status check_anew(edge_host *host, const edge_kernel *k, edge_memory memory, uint32_t offset,
                              uint32_t *desc) {
  edge_status status = copy_descriptor(k, memory, offset, desc);
  if (status == 0 && k->pack != NULL) status = EDGE_STATUS(k->id, 1, EDGE_REASON_NOT_PREPARED);
  if (status == 0) status = k->check(desc, &memory);
  if (status == 0) status = edge_check_rows(k, desc);
  if (status == 0) remember(host, k, memory, desc);
  return status;
}

/* Steps 1 to 3: 0 and the checked descriptor and packed weights, or a status. `own` is room for a copy. */
static inline edge_status check(edge_host *host, const edge_kernel *k, edge_memory memory, uint32_t offset,
                                uint32_t *own, const uint32_t **desc, const void **packed) {
  const checked_node *p = recall(host, k, memory, offset);
  *desc = own;
  *packed = NULL;
  if (p == NULL) return check_anew(host, k, memory, offset, own);
  *desc = p->desc;
  *packed = p->packed;
  const uint32_t begin = edge_desc_begin(k, p->desc), end = edge_desc_end(k, p->desc);
  /* What edge_check_rows would find, from remembered numbers; it is asked only for the words of a refusal. */
  if (begin < end && end <= p->rows && end - begin <= p->most_rows) return 0;
  return edge_check_rows(k, p->desc);
}

edge_status edge_host_check(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor) {
  const edge_kernel *k = edge_kernel_by_id((uint32_t)kernel);
  if (k == NULL) return EDGE_STATUS(kernel, 0, EDGE_REASON_RANGE);
  uint32_t own[EDGE_MAX_DESC_BYTES / 4u];
  const uint32_t *desc;
  const void *packed;
  return check(host, k, memory, descriptor, own, &desc, &packed);
}

/* ---- threads ---- */

/* Work for which waking others pays, in the units of EDGE_MAX_WORK; shares a thread, so that one that is slow or late
 * does less; and of what number the columns of a share are a multiple. */
#define PARALLEL_WORK (UINT64_C(1) << 17)
#define SHARES 4u
#define COLUMNS 16u

/* A call cut along its rows, or along its columns. */
typedef struct shared_call {
  const edge_host *host;
  const edge_kernel *kernel;
  const uint32_t *desc;
  uint8_t *base;
  const void *packed;
  int by_columns;
  uint64_t share;
  uint32_t end;
  atomic_uint_fast64_t next;
} shared_call;

static void do_rows(const shared_call *c, uint32_t begin, uint32_t end, void *scratch) {
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
  const uint32_t words = c->kernel->desc_bytes / 4u;
  memcpy(desc, c->desc, c->kernel->desc_bytes);
  desc[words - 2u] = begin;
  desc[words - 1u] = end;
  c->kernel->run(desc, c->host->isa, c->base, c->packed, scratch);
}

static void do_shares(void *context, uint32_t thread) {
  shared_call *c = context;
  uint8_t *scratch = c->host->scratch + thread * c->host->scratch_bytes;
  for (;;) {
    const uint64_t next = atomic_fetch_add_explicit(&c->next, c->share, memory_order_relaxed);
    if (next >= c->end) return;
    const uint32_t begin = (uint32_t)next, end = (uint32_t)(next + c->share < c->end ? next + c->share : c->end);
    if (c->by_columns) {
      c->kernel->run_columns(c->desc, c->host->isa, c->base, c->packed, scratch, begin, end);
    } else {
      do_rows(c, begin, end, scratch);
    }
  }
}

/* Rows or columns of one share: SHARES to a thread where that leaves enough for each, else one. */
static uint64_t share_of(const edge_host *host, uint32_t count, uint32_t multiple) {
  const uint32_t fine = count / (SHARES * host->threads), coarse = (count + host->threads - 1u) / host->threads;
  return round_up(fine >= multiple ? fine : coarse, multiple);
}

/* Decides how the call is shared; 0 where this thread does all. Rows where there are many for each thread: a share then
 * copies only its own part of the input. */
static int cut(shared_call *c) {
  const edge_host *host = c->host;
  const edge_kernel *k = c->kernel;
  const uint32_t begin = edge_desc_begin(k, c->desc), rows = edge_desc_end(k, c->desc) - begin;
  if (host->pool == NULL || k->share == 0 || rows * k->row_work(c->desc) < PARALLEL_WORK) return 0;
  const uint32_t columns = k->columns != NULL ? k->columns(c->desc) : 0;
  c->by_columns = rows < SHARES * host->threads * k->share && columns >= COLUMNS * host->threads;
  c->share = c->by_columns ? share_of(host, columns, COLUMNS) : share_of(host, rows, k->share);
  c->end = c->by_columns ? columns : begin + rows;
  atomic_init(&c->next, c->by_columns ? 0 : begin);
  return c->by_columns || rows > c->share;
}

static void run(edge_host *host, const edge_kernel *k, const uint32_t *desc, uint8_t *base, const void *packed) {
  shared_call call = {.host = host, .kernel = k, .desc = desc, .base = base, .packed = packed};
  if (cut(&call)) {
    edge_pool_run(host->pool, do_shares, &call);
  } else {
    k->run(desc, host->isa, base, packed, k->pack != NULL ? host->scratch : NULL);
  }
}

edge_status edge_host_call(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor) {
  const edge_kernel *k = edge_kernel_by_id((uint32_t)kernel);
  if (k == NULL) return EDGE_STATUS(kernel, 0, EDGE_REASON_RANGE);
  uint32_t own[EDGE_MAX_DESC_BYTES / 4u];
  const uint32_t *desc;
  const void *packed;
  const edge_status status = check(host, k, memory, descriptor, own, &desc, &packed);
  if (status != 0) return status;
  run(host, k, desc, memory.base, packed);
  return 0;
}

/* ---- status in words ---- */

#define EDGE_FAMILY_NAMES
#include "../abi/families.h"
#undef EDGE_FAMILY_NAMES

static const char *kernel_name(uint32_t kernel) {
  switch (kernel) {
#define EDGE_KERNEL(number, name, family) \
  case number:                            \
    return #name;
#define EDGE_KERNEL_PACKED(number, name, family) EDGE_KERNEL(number, name, family)
#include "../abi/kernels.def"
    default:
      return "?";
  }
}

static const char *field_name(uint32_t kernel, uint32_t field) {
  switch (kernel) {
#define EDGE_KERNEL(number, name, family) \
  case number:                            \
    return field < EDGE_FIELDS_##family ? edge_names_##family[field] : "?";
#define EDGE_KERNEL_PACKED(number, name, family) EDGE_KERNEL(number, name, family)
#include "../abi/kernels.def"
    default:
      return "?";
  }
}

static const char *reason_text(uint32_t reason) {
  switch (reason) {
#define EDGE_REASON(number, name, text) \
  case number:                          \
    return text;
#include "../abi/reasons.def"
    default:
      return "unknown reason";
  }
}

size_t edge_status_text(edge_status status, uint32_t descriptor, char *text, size_t size) {
  if (size == 0) return 0;
  const uint32_t bits = (uint32_t)status;
  const uint32_t kernel = bits >> 16;
  const int length = snprintf(text, size, "edge_kernels.%s: descriptor 0x%08x: field `%s`: %s", kernel_name(kernel),
                              (unsigned)descriptor, field_name(kernel, (bits >> 8) & 0xFFu), reason_text(bits & 0xFFu));
  if (length < 0) return 0;
  return (size_t)length < size ? (size_t)length : size - 1;
}
