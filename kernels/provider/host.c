/* The host provider. See host.h; the order of checks is that of abi/kernel.h. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACK_ALIGN 64u

/* What prepare_<kernel> left for one node. Never reachable through a guest pointer. */
typedef struct prepared_node {
  const edge_kernel *kernel;
  uint64_t memory_bytes; /* size of linear memory when the descriptor was checked */
  uint64_t packed_bytes;
  void *packed;
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
} prepared_node;

struct edge_host {
  edge_isa isa;
  uint64_t limit;
  uint64_t used; /* packed regions, scratch and the table, bytes */
  prepared_node **nodes;
  uint32_t node_count; /* rows of `nodes`, a power of two or 0 */
  void *scratch;
  uint64_t scratch_bytes;
};

static uint64_t round_up(uint64_t bytes, uint64_t step) { return (bytes + step - 1) / step * step; }

/* Zeroed, so that padding a kernel does not write is the same in every run. */
static void *allocate(uint64_t bytes) {
  void *region = aligned_alloc(PACK_ALIGN, (size_t)round_up(bytes, PACK_ALIGN));
  if (region != NULL) memset(region, 0, (size_t)bytes);
  return region;
}

edge_host *edge_host_open(edge_isa isa, uint64_t packed_limit) {
  if (!edge_isa_usable(isa)) return NULL;
  edge_host *host = calloc(1, sizeof *host);
  if (host == NULL) return NULL;
  host->isa = isa;
  host->limit = packed_limit;
  return host;
}

static void forget(edge_host *host, uint32_t node) {
  prepared_node *old = node < host->node_count ? host->nodes[node] : NULL;
  if (old == NULL) return;
  host->used -= old->packed_bytes + sizeof *old;
  host->nodes[node] = NULL;
  free(old->packed);
  free(old);
}

void edge_host_close(edge_host *host) {
  if (host == NULL) return;
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
  prepared_node **nodes = realloc(host->nodes, count * sizeof *nodes);
  if (nodes == NULL) return 0;
  memset(nodes + host->node_count, 0, (size_t)more);
  host->nodes = nodes;
  host->node_count = count;
  host->used += more;
  return 1;
}

static int grow_scratch(edge_host *host, uint64_t bytes) {
  if (bytes <= host->scratch_bytes) return 1;
  if (!affordable(host, bytes - host->scratch_bytes)) return 0;
  free(host->scratch);
  host->used -= host->scratch_bytes;
  host->scratch_bytes = 0;
  host->scratch = allocate(bytes);
  if (host->scratch == NULL) return 0;
  host->scratch_bytes = bytes;
  host->used += bytes;
  return 1;
}

/* Step 1: the guest's bytes are looked at once, here. */
static edge_status copy_descriptor(const edge_kernel *k, edge_memory memory, uint32_t offset, uint32_t *copy) {
  if (offset % 4u != 0 || offset < EDGE_KERNEL_RESERVE || memory.size < k->desc_bytes ||
      offset > memory.size - k->desc_bytes) {
    return EDGE_STATUS(k->id, 0, EDGE_REASON_DESCRIPTOR_OUTSIDE);
  }
  memcpy(copy, memory.base + offset, k->desc_bytes);
  if (copy[0] != EDGE_ABI_VERSION) return EDGE_STATUS(k->id, 0, EDGE_REASON_VERSION);
  if (copy[1] >= EDGE_MAX_NODES) return EDGE_STATUS(k->id, 1, EDGE_REASON_RANGE);
  return 0;
}

/* Everything but begin and end. */
static size_t remembered_bytes(const edge_kernel *k) { return k->desc_bytes - 2u * sizeof(uint32_t); }

/* The node prepared with this very descriptor, or NULL. */
static prepared_node *find(const edge_host *host, const edge_kernel *k, edge_memory memory, const uint32_t *desc) {
  prepared_node *p = desc[1] < host->node_count ? host->nodes[desc[1]] : NULL;
  if (p == NULL || p->kernel != k || memory.size < p->memory_bytes) return NULL;
  return memcmp(p->desc, desc, remembered_bytes(k)) == 0 ? p : NULL;
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
  if (packed_bytes > host->limit || !affordable(host, packed_bytes + sizeof(prepared_node))) return no_memory;
  prepared_node *p = calloc(1, sizeof *p);
  if (p == NULL) return no_memory;
  p->packed = allocate(packed_bytes);
  if (p->packed == NULL && packed_bytes != 0) {
    free(p);
    return no_memory;
  }
  p->kernel = k;
  p->memory_bytes = memory.size;
  p->packed_bytes = packed_bytes;
  memcpy(p->desc, desc, k->desc_bytes);
  k->pack(desc, host->isa, memory.base, p->packed);
  host->nodes[node] = p;
  host->used += packed_bytes + sizeof *p;
  return 0;
}

/* Steps 1 to 3. A packed kernel's ranges were checked in prepare: the same words need no second look. */
static edge_status check(edge_host *host, const edge_kernel *k, edge_memory memory, uint32_t descriptor, uint32_t *desc,
                         const void **packed) {
  edge_status status = copy_descriptor(k, memory, descriptor, desc);
  if (status != 0) return status;
  if (k->pack != NULL) {
    const prepared_node *p = find(host, k, memory, desc);
    if (p == NULL) return EDGE_STATUS(k->id, 1, EDGE_REASON_NOT_PREPARED);
    *packed = p->packed;
  } else {
    status = k->check(desc, &memory);
    if (status != 0) return status;
  }
  return edge_check_rows(k, desc);
}

edge_status edge_host_check(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor) {
  const edge_kernel *k = edge_kernel_by_id((uint32_t)kernel);
  if (k == NULL) return EDGE_STATUS(kernel, 0, EDGE_REASON_RANGE);
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
  const void *packed = NULL;
  return check(host, k, memory, descriptor, desc, &packed);
}

edge_status edge_host_call(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor) {
  const edge_kernel *k = edge_kernel_by_id((uint32_t)kernel);
  if (k == NULL) return EDGE_STATUS(kernel, 0, EDGE_REASON_RANGE);
  uint32_t desc[EDGE_MAX_DESC_BYTES / 4u];
  const void *packed = NULL;
  const edge_status status = check(host, k, memory, descriptor, desc, &packed);
  if (status != 0) return status;
  /* A plain kernel's work area is part of its checked descriptor; a packed one's is the host's. */
  void *scratch = host->scratch;
  if (k->pack == NULL) scratch = k->scratch_at != NULL ? memory.base + k->scratch_at(desc) : NULL;
  k->run(desc, host->isa, memory.base, packed, scratch);
  return 0;
}

/* ---- status in words ---- */

#define EDGE_FIELD(family, type, name, text) #name,
static const char *const CONV2D_NAMES[] = {
#include "../conv2d/conv2d.def"
};
static const char *const DEPTHWISE_CONV2D_NAMES[] = {
#include "../depthwise_conv2d/depthwise_conv2d.def"
};
static const char *const FULLY_CONNECTED_NAMES[] = {
#include "../fully_connected/fully_connected.def"
};
static const char *const POOL_NAMES[] = {
#include "../pool/pool.def"
};
static const char *const MEAN_NAMES[] = {
#include "../mean/mean.def"
};
static const char *const ADD_NAMES[] = {
#include "../add/add.def"
};
static const char *const SOFTMAX_NAMES[] = {
#include "../softmax/softmax.def"
};
static const char *const ELEMENTWISE_NAMES[] = {
#include "../elementwise/elementwise.def"
};
static const char *const SPECTRUM_NAMES[] = {
#include "../spectrum/spectrum.def"
};
#undef EDGE_FIELD

typedef struct field_names {
  const char *const *names;
  uint32_t count;
} field_names;

#define NAMES(array) {array, sizeof(array) / sizeof((array)[0])}
static const field_names names_conv2d = NAMES(CONV2D_NAMES);
static const field_names names_depthwise_conv2d = NAMES(DEPTHWISE_CONV2D_NAMES);
static const field_names names_fully_connected = NAMES(FULLY_CONNECTED_NAMES);
static const field_names names_pool = NAMES(POOL_NAMES);
static const field_names names_mean = NAMES(MEAN_NAMES);
static const field_names names_add = NAMES(ADD_NAMES);
static const field_names names_softmax = NAMES(SOFTMAX_NAMES);
static const field_names names_elementwise = NAMES(ELEMENTWISE_NAMES);
static const field_names names_spectrum = NAMES(SPECTRUM_NAMES);

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
  const field_names *names = NULL;
  switch (kernel) {
#define EDGE_KERNEL(number, name, family) \
  case number:                            \
    names = &names_##family;              \
    break;
#define EDGE_KERNEL_PACKED(number, name, family) EDGE_KERNEL(number, name, family)
#include "../abi/kernels.def"
    default:
      break;
  }
  return names != NULL && field < names->count ? names->names[field] : "?";
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
