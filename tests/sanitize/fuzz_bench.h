/* What one case of fuzz_host works with, and a call whose every effect is watched. */
#ifndef EDGE_TEST_FUZZ_BENCH_H
#define EDGE_TEST_FUZZ_BENCH_H

#include "kernels/provider/host.h"
#include "oracle.h"

#define NODE_FIELD 1u

typedef struct bench {
  rng r;
  arena *a;
  arena *heavy; /* room for cases of too much work */
  edge_host *host;
  edge_isa isa;
  test_case c;
} bench;

typedef edge_status host_function(edge_host *, edge_kernel_id, edge_memory, uint32_t);

/* Calls `function` of kernel `k` on the case's descriptor while all but its regions are poisoned. Only a call done may
 * change memory, and only what its descriptor declares; a refusal's text must name kernel and field. */
edge_status bench_call(bench *b, const edge_kernel *k, host_function *function);

/* Prepares a valid case; nothing to do for a plain kernel. */
void bench_prepare(bench *b);

/* The text of `status` must name the kernel and the field. */
void bench_check_text(const bench *b, const edge_kernel *k, edge_status status);

/* Each ends the process with the case and `what` unless it holds. */
void require(const bench *b, int condition, const char *what, edge_status status);
void require_done(const bench *b, edge_status status, const char *what);
void require_status(const bench *b, edge_status status, uint32_t field, edge_reason reason, const char *what);

/* Prints the case's descriptor on stderr. */
void bench_say(const bench *b);

#endif
