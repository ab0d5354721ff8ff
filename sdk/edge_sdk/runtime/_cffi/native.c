/* Trampolines and the run of a model. See native.h. */
#define _POSIX_C_SOURCE 200809L
#include "native.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES 256u

/* One slot of wasmtime_val_raw_t: 16 bytes since Wasm has v128. */
typedef union raw_value {
  int32_t i32;
  uint64_t words[2];
} raw_value;

/* Room for a copied wasmtime_memory_t or wasmtime_func_t: 16 to 24 bytes in Wasmtime 25 to 50. */
typedef struct handle {
  uint64_t words[8];
} handle;

/* Wasmtime's C API, by address; the objects are opaque. */
static struct {
  uint8_t *(*memory_data)(const void *context, const handle *memory);
  size_t (*memory_data_size)(const void *context, const handle *memory);
  void *(*trap_new)(const char *message, size_t bytes);
  void *(*func_call_unchecked)(void *context, const handle *func, raw_value *args, size_t count, void **trap);
  void (*set_epoch_deadline)(void *context, uint64_t ticks);
} wasmtime;

struct edge_session {
  edge_host *host; /* NULL: the model calls Wasm kernels */
  void *context;
  handle prepare, infer;
  uint64_t tick_ns;    /* 0: the engine's epochs are the deadline */
  int64_t deadline_ns; /* of the run under way, monotonic */
  edge_memory memory;  /* linear memory never moves nor grows: a module whose minimum is not its maximum is refused */
  edge_span *inputs, *outputs;
  size_t input_count, output_count;
  pthread_mutex_t lock;
  int ready;  /* the handles above are bound */
  int busy;   /* a thread is inside run; looked at after a fork */
  int broken; /* a run failed: linear memory may be in any state */
  int lost;
};

void edge_native_init(edge_wasmtime api) {
  wasmtime.memory_data = (uint8_t *(*)(const void *, const handle *))api.memory_data;
  wasmtime.memory_data_size = (size_t (*)(const void *, const handle *))api.memory_data_size;
  wasmtime.trap_new = (void *(*)(const char *, size_t))api.trap_new;
  wasmtime.func_call_unchecked =
      (void *(*)(void *, const handle *, raw_value *, size_t, void **))api.func_call_unchecked;
  wasmtime.set_epoch_deadline = (void (*)(void *, uint64_t))api.set_epoch_deadline;
}

size_t edge_native_handle_bytes(void) { return sizeof(handle); }

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- trampolines: Wasm -> host kernel ---- */

typedef edge_status (*host_function)(edge_host *, edge_kernel_id, edge_memory, uint32_t);

static void *refuse(edge_status status, uint32_t descriptor) {
  char text[TEXT_BYTES];
  return wasmtime.trap_new(text, edge_status_text(status, descriptor, text, sizeof text));
}

/* Returns a trap or NULL. */
static inline void *enter(void *env, raw_value *args, edge_kernel_id kernel, host_function function) {
  edge_session *session = env;
  const uint32_t descriptor = (uint32_t)args[0].i32;
  if (!session->ready || session->host == NULL) {
    return refuse(EDGE_STATUS(kernel, 0, EDGE_REASON_NOT_READY), descriptor);
  }
  const edge_status status = function(session->host, kernel, session->memory, descriptor);
  if (status != 0) return refuse(status, descriptor);
  args[0].i32 = 0;
  return NULL;
}

#define TRAMPOLINE(symbol, kernel, function)                                                \
  static void *symbol(void *env, void *caller, raw_value *args_and_results, size_t count) { \
    (void)caller;                                                                           \
    (void)count;                                                                            \
    return enter(env, args_and_results, kernel, function);                                  \
  }
#define EDGE_KERNEL(number, name, family) TRAMPOLINE(call_##name, EDGE_KERNEL_##name, edge_host_call)
#define EDGE_KERNEL_PACKED(number, name, family) \
  EDGE_KERNEL(number, name, family)              \
  TRAMPOLINE(prepare_##name, EDGE_KERNEL_##name, edge_host_prepare)
#include "abi/kernels.def"
TRAMPOLINE(call_empty, EDGE_KERNEL_add_s8, edge_host_check)

/* Between two kernels of the sandbox. */
static void *call_deadline(void *env, void *caller, raw_value *args_and_results, size_t count) {
  static const char passed[] = "edge_kernels.deadline: passed";
  const edge_session *session = env;
  (void)caller;
  (void)count;
  if (session->ready && now_ns() >= session->deadline_ns) return wasmtime.trap_new(passed, sizeof passed - 1);
  args_and_results[0].i32 = 0;
  return NULL;
}

typedef struct trampoline {
  const char *name;
  void *(*function)(void *, void *, raw_value *, size_t);
} trampoline;

static const trampoline TRAMPOLINES[] = {
#define EDGE_KERNEL(number, name, family) {#name, call_##name},
#define EDGE_KERNEL_PACKED(number, name, family) {#name, call_##name}, {"prepare_" #name, prepare_##name},
#include "abi/kernels.def"
    {"empty", call_empty},
    {"deadline", call_deadline},
};

uintptr_t edge_native_trampoline(const char *name) {
  for (size_t i = 0; i < sizeof TRAMPOLINES / sizeof TRAMPOLINES[0]; i++) {
    if (strcmp(TRAMPOLINES[i].name, name) == 0) return (uintptr_t)TRAMPOLINES[i].function;
  }
  return 0;
}

/* ---- sessions ---- */

static void init_lock(edge_session *session) { pthread_mutex_init(&session->lock, NULL); }

edge_session *edge_session_open(int host_isa, uint64_t packed_limit, uint32_t threads, uint64_t tick_ns) {
  edge_session *session = calloc(1, sizeof *session);
  if (session == NULL) return NULL;
  session->tick_ns = tick_ns;
  if (host_isa >= 0) {
    session->host = edge_host_open((edge_isa)host_isa, packed_limit, threads);
    if (session->host == NULL) {
      free(session);
      return NULL;
    }
  }
  init_lock(session);
  return session;
}

static edge_span *copy_spans(const edge_span *spans, size_t count) {
  edge_span *copy = malloc((count != 0 ? count : 1) * sizeof *copy);
  if (copy != NULL && count != 0) memcpy(copy, spans, count * sizeof *copy);
  return copy;
}

int edge_session_bind(edge_session *session, uintptr_t context, const void *memory, const void *prepare,
                      const void *infer, const edge_span *inputs, size_t input_count, const edge_span *outputs,
                      size_t output_count) {
  session->inputs = copy_spans(inputs, input_count);
  session->outputs = copy_spans(outputs, output_count);
  if (session->inputs == NULL || session->outputs == NULL) return -1;
  session->input_count = input_count;
  session->output_count = output_count;
  session->context = (void *)context;
  handle exported;
  memcpy(&exported, memory, sizeof exported);
  session->memory.base = wasmtime.memory_data(session->context, &exported);
  session->memory.size = wasmtime.memory_data_size(session->context, &exported);
  memcpy(&session->prepare, prepare, sizeof(handle));
  memcpy(&session->infer, infer, sizeof(handle));
  session->ready = 1;
  return 0;
}

void edge_session_close(edge_session *session) {
  if (session == NULL) return;
  edge_host_close(session->host);
  pthread_mutex_destroy(&session->lock);
  free(session->inputs);
  free(session->outputs);
  free(session);
}

/* What happened belongs to the call, not to the session: another thread may run next. */
static uintptr_t outcome(int32_t kind, int32_t status, void *object) {
  static const edge_outcome no_memory = {EDGE_OUTCOME_NO_MEMORY, 0, 0};
  edge_outcome *o = malloc(sizeof *o);
  if (o == NULL) return (uintptr_t)&no_memory;
  o->kind = kind;
  o->status = status;
  o->object = (uintptr_t)object;
  return (uintptr_t)o;
}

void edge_outcome_free(uintptr_t address) {
  edge_outcome *o = (edge_outcome *)address;
  if (o != NULL && o->kind != EDGE_OUTCOME_NO_MEMORY) free(o);
}

static uintptr_t invoke_with(edge_session *session, const handle *func, uint64_t epoch_ticks, uint32_t argument) {
  raw_value result[1] = {{(int32_t)argument}};
  void *trap = NULL;
  if (session->tick_ns == 0) {
    wasmtime.set_epoch_deadline(session->context, epoch_ticks);
  } else {
    session->deadline_ns = now_ns() + (int64_t)(epoch_ticks * session->tick_ns);
  }
  void *error = wasmtime.func_call_unchecked(session->context, func, result, 1, &trap);
  if (error != NULL) return outcome(EDGE_OUTCOME_ERROR, 0, error);
  if (trap != NULL) return outcome(EDGE_OUTCOME_TRAP, 0, trap);
  return result[0].i32 != 0 ? outcome(EDGE_OUTCOME_STATUS, result[0].i32, NULL) : 0;
}

static uintptr_t invoke(edge_session *session, const handle *func, uint64_t epoch_ticks) {
  return invoke_with(session, func, epoch_ticks, 0);
}

/* 0 with the lock held, or an outcome without it. A store is not thread-safe: misuse gives wrong results silently. */
static uintptr_t lock_session(edge_session *session) {
  pthread_mutex_lock(&session->lock);
  if (!session->broken && !session->lost) {
    session->busy = 1;
    return 0;
  }
  const int32_t kind = session->lost ? EDGE_OUTCOME_LOST : EDGE_OUTCOME_BROKEN;
  pthread_mutex_unlock(&session->lock);
  return outcome(kind, 0, NULL);
}

static uintptr_t unlock_session(edge_session *session, uintptr_t result) {
  if (result != 0) session->broken = 1;
  session->busy = 0;
  pthread_mutex_unlock(&session->lock);
  return result;
}

uintptr_t edge_session_prepare(edge_session *session, uint64_t epoch_ticks) {
  const uintptr_t refused = lock_session(session);
  return refused != 0 ? refused : unlock_session(session, invoke(session, &session->prepare, epoch_ticks));
}

uintptr_t edge_session_run(edge_session *session, uint64_t epoch_ticks, const void *const *inputs,
                           void *const *outputs) {
  const uintptr_t refused = lock_session(session);
  if (refused != 0) return refused;
  uint8_t *base = session->memory.base;
  for (size_t i = 0; i < session->input_count; i++) {
    memcpy(base + session->inputs[i].offset, inputs[i], session->inputs[i].bytes);
  }
  const uintptr_t result = invoke(session, &session->infer, epoch_ticks);
  for (size_t i = 0; result == 0 && i < session->output_count; i++) {
    memcpy(outputs[i], base + session->outputs[i].offset, session->outputs[i].bytes);
  }
  return unlock_session(session, result);
}

uintptr_t edge_session_run1(edge_session *session, uint64_t epoch_ticks, const void *input, void *output) {
  return edge_session_run(session, epoch_ticks, &input, &output);
}

/* A kernel of the host, called as the trampoline calls it. */
static uintptr_t call_host(edge_session *session, const edge_timed_call *call) {
  raw_value args[1] = {{(int32_t)call->descriptor}};
  void *trap = enter(session, args, (edge_kernel_id)call->kernel, edge_host_call);
  return trap != NULL ? outcome(EDGE_OUTCOME_TRAP, 0, trap) : 0;
}

uintptr_t edge_session_time(edge_session *session, uint64_t epoch_ticks, const edge_timed_call *calls,
                            const void *const *functions, size_t count, int64_t *took_ns) {
  uintptr_t result = lock_session(session);
  if (result != 0) return result;
  int64_t before = now_ns();
  for (size_t i = 0; i < count && result == 0; i++) {
    result = functions == NULL ? call_host(session, &calls[i])
                               : invoke_with(session, functions[i], epoch_ticks, calls[i].descriptor);
    const int64_t after = now_ns();
    took_ns[i] = after - before;
    before = after;
  }
  return unlock_session(session, result);
}

void edge_session_after_fork(edge_session *session) {
  session->lost |= session->busy;
  edge_host_after_fork(session->host);
  init_lock(session);
}

/* ---- the host kernels on a plain buffer ---- */

int32_t edge_native_prepare(edge_host *host, int kernel, void *memory, uint64_t memory_bytes, uint32_t descriptor) {
  const edge_memory whole = {memory, memory_bytes};
  return edge_host_prepare(host, (edge_kernel_id)kernel, whole, descriptor);
}

int32_t edge_native_call(edge_host *host, int kernel, void *memory, uint64_t memory_bytes, uint32_t descriptor) {
  const edge_memory whole = {memory, memory_bytes};
  return edge_host_call(host, (edge_kernel_id)kernel, whole, descriptor);
}
