/* What Python's runtime needs in C: trampolines from Wasm to the host kernels, and one call that runs a model.
 *
 *     Python --cffi, GIL released--> edge_session_run --> infer() in Wasm --> trampoline --> edge_host_call
 *
 * Wasmtime is not linked: its functions are taken by address from the library that the wasmtime package loaded.
 * Its structs are opaque here; their bytes are copied as they are.
 *
 * build_native.py reads the part between the two marks for cffi, so it holds plain declarations only.
 */
#ifndef EDGE_NATIVE_H
#define EDGE_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "provider/host.h"

/* cffi: begin */
typedef struct edge_session edge_session;

/* Why a run gave no result. */
enum edge_outcome_kind {
  EDGE_OUTCOME_STATUS = 1, /* the model returned `status` */
  EDGE_OUTCOME_TRAP = 2,   /* `object` is a wasm_trap_t to be freed by the receiver */
  EDGE_OUTCOME_ERROR = 3,  /* `object` is a wasmtime_error_t to be freed by the receiver */
  EDGE_OUTCOME_BROKEN = 4, /* an earlier run failed: this session is over, open another */
  EDGE_OUTCOME_LOST = 5,   /* a run was under way in another thread when the process forked */
  EDGE_OUTCOME_NO_MEMORY = 6
};
typedef struct edge_outcome {
  int32_t kind;
  int32_t status;
  uintptr_t object;
} edge_outcome;

/* Where one input or output lies in linear memory. */
typedef struct edge_span {
  uint32_t offset;
  uint32_t bytes;
} edge_span;

/* Addresses in Wasmtime's C API. Must be called before anything below is registered or run. */
typedef struct edge_wasmtime {
  uintptr_t memory_data;
  uintptr_t memory_data_size;
  uintptr_t trap_new;
  uintptr_t func_call_unchecked;
  uintptr_t set_epoch_deadline;
} edge_wasmtime;
void edge_native_init(edge_wasmtime api);
/* Bytes kept for a copy of a wasmtime_memory_t or wasmtime_func_t; larger ones cannot be used. */
size_t edge_native_handle_bytes(void);

/* Address of the trampoline for an import name (`add_s8`, `prepare_conv2d_s8`; `empty` checks add_s8's descriptor
 * and does no work, for measuring; `deadline` traps when the session's deadline has passed), or 0. Its environment is
 * an edge_session. */
uintptr_t edge_native_trampoline(const char *name);

/* A session not ready yet: any trampoline called with it traps. NULL without memory.
 * packed_limit: most bytes of packed weights; host_isa < 0: no host kernels (the model calls Wasm kernels).
 * threads: of the host kernels, 1 or more.
 * tick_ns: an epoch, where the session keeps the deadline itself and nobody moves the engine's epochs; else 0. */
edge_session *edge_session_open(int host_isa, uint64_t packed_limit, uint32_t threads, uint64_t tick_ns);
/* Bind what instantiation gave and make the session ready. memory, prepare and infer are Wasmtime's structs, each
 * padded to edge_native_handle_bytes. The spans must lie inside linear memory. Returns 0, or -1 without memory. */
int edge_session_bind(edge_session *session, uintptr_t context, const void *memory, const void *prepare,
                      const void *infer, const edge_span *inputs, size_t input_count, const edge_span *outputs,
                      size_t output_count);
/* Only after the store that knows this session is gone. */
void edge_session_close(edge_session *session);

/* Call prepare() once. 0, or the address of an edge_outcome for edge_outcome_free. */
uintptr_t edge_session_prepare(edge_session *session, uint64_t epoch_ticks);
/* Copy inputs in, call infer(), copy outputs out. Buffers have the spans' sizes. A second thread waits. */
uintptr_t edge_session_run(edge_session *session, uint64_t epoch_ticks, const void *const *inputs,
                           void *const *outputs);
/* The same for a model of one input and one output. */
uintptr_t edge_session_run1(edge_session *session, uint64_t epoch_ticks, const void *input, void *output);
/* One kernel call of a model, as infer() makes it. */
typedef struct edge_timed_call {
  uint32_t descriptor;
  int32_t kernel;
} edge_timed_call;
/* Make the calls one after another and write how long each took: `took_ns`, `count` numbers, monotonic.
 * functions: for each call a wasmtime_func_t, padded; NULL: the host kernels. Outcomes are those of a run. */
uintptr_t edge_session_time(edge_session *session, uint64_t epoch_ticks, const edge_timed_call *calls,
                            const void *const *functions, size_t count, int64_t *took_ns);
void edge_outcome_free(uintptr_t outcome);
/* In the child of a fork: forget the other threads; a session one of them was using is lost. */
void edge_session_after_fork(edge_session *session);

/* The host kernels on a plain buffer; see provider/host.h. */
int32_t edge_native_prepare(edge_host *host, int kernel, void *memory, uint64_t memory_bytes, uint32_t descriptor);
int32_t edge_native_call(edge_host *host, int kernel, void *memory, uint64_t memory_bytes, uint32_t descriptor);
/* cffi: end */

#endif
