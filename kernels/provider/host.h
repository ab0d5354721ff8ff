/* The host provider: runs kernels natively on a guest's linear memory. Knows nothing of Wasmtime or Python.
 *
 * One edge_host per model session. It owns, in host memory, the packed weights of the session's nodes (a table
 * indexed by the descriptor's `node`, never by a guest pointer) and a scratch area for each of its threads, all sized
 * in prepare. Not thread-safe: one call at a time per edge_host.
 */
#ifndef EDGE_HOST_H
#define EDGE_HOST_H

#include "../abi/kernel.h"

typedef struct edge_host edge_host;

/* A provider for one session. `packed_limit` bounds the bytes of packed weights and scratch it may allocate:
 * a guest could otherwise spend the host's memory. `threads`: 1 .. EDGE_POOL_MAX_THREADS, the caller's included;
 * results are the same for any number. NULL when out of memory or threads, or when `isa` is not usable. */
edge_host *edge_host_open(edge_isa isa, uint64_t packed_limit, uint32_t threads);
void edge_host_close(edge_host *host);
/* In the child of a fork: the calling thread is the only one. */
void edge_host_after_fork(edge_host *host);

/* prepare_<kernel>(descriptor): checks, packs, remembers; a node prepared before is replaced. Only for packed kernels.
 * An edge_memory passed to a later call may not be smaller than this one. */
edge_status edge_host_prepare(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor);

/* <kernel>(descriptor): checks and runs rows [begin, end). */
edge_status edge_host_call(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor);

/* All that edge_host_call does before the work: 0 or the status it would answer. For measuring and fuzzing. */
edge_status edge_host_check(edge_host *host, edge_kernel_id kernel, edge_memory memory, uint32_t descriptor);

/* Write "edge_kernels.conv2d_s8: descriptor 0x00010040: field `input`: <reason text>" for a non-zero status;
 * returns the length without the final NUL, at most size - 1. `status` need not be valid. */
size_t edge_status_text(edge_status status, uint32_t descriptor, char *text, size_t size);

#endif
