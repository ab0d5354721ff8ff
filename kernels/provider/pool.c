/* See pool.h. */
#define _POSIX_C_SOURCE 200809L
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* How often a worker looks before it sleeps: some 30 us, longer than what lies between two kernels of a model. */
#define LOOKS 1000
/* How often the caller looks at those inside before it lets others have the CPU. */
#define LOOKS_BEFORE_YIELD 2000

struct edge_pool {
  uint32_t threads; /* the caller's included; 1 after a fork */
  uint32_t started; /* rows of `workers` */
  pthread_mutex_t lock;
  pthread_cond_t opened;
  atomic_uint doors; /* how many were opened so far */
  atomic_uint inside;
  int open, stop; /* under the lock, as are the two below and `sleeping` */
  edge_pool_job *job;
  void *context;
  uint32_t sleeping;
  struct edge_worker {
    edge_pool *pool;
    pthread_t thread;
    uint32_t number;
  } workers[EDGE_POOL_MAX_THREADS - 1u];
};

static inline void pause_cpu(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause");
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Returns with the lock held. */
static void await_door(edge_pool *pool, unsigned seen) {
  for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->doors, memory_order_relaxed) == seen; i++) pause_cpu();
  pthread_mutex_lock(&pool->lock);
  while (atomic_load_explicit(&pool->doors, memory_order_relaxed) == seen && !pool->stop) {
    pool->sleeping++;
    pthread_cond_wait(&pool->opened, &pool->lock);
    pool->sleeping--;
  }
}

static void *work(void *argument) {
  const struct edge_worker *me = argument;
  edge_pool *pool = me->pool;
  unsigned seen = 0;
  for (;;) {
    await_door(pool, seen);
    if (pool->stop) break;
    seen = atomic_load_explicit(&pool->doors, memory_order_relaxed);
    edge_pool_job *job = pool->job;
    void *context = pool->context;
    const int enters = pool->open;
    if (enters) atomic_fetch_add_explicit(&pool->inside, 1u, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    if (!enters) continue;
    job(context, me->number);
    atomic_fetch_sub_explicit(&pool->inside, 1u, memory_order_release);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static void init_lock(edge_pool *pool) {
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->opened, NULL);
}

edge_pool *edge_pool_open(uint32_t threads) {
  if (threads < 2 || threads > EDGE_POOL_MAX_THREADS) return NULL;
  edge_pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  init_lock(pool);
  pool->threads = threads;
  for (uint32_t i = 0; i + 1u < threads; i++) {
    struct edge_worker *worker = &pool->workers[i];
    worker->pool = pool;
    worker->number = i + 1u;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
      edge_pool_close(pool);
      return NULL;
    }
    pool->started++;
  }
  return pool;
}

void edge_pool_close(edge_pool *pool) {
  if (pool == NULL) return;
  pthread_mutex_lock(&pool->lock);
  pool->stop = 1;
  pthread_cond_broadcast(&pool->opened);
  pthread_mutex_unlock(&pool->lock);
  for (uint32_t i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->opened);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

uint32_t edge_pool_threads(const edge_pool *pool) { return pool->threads; }

static void open_door(edge_pool *pool, edge_pool_job *job, void *context) {
  pthread_mutex_lock(&pool->lock);
  pool->job = job;
  pool->context = context;
  pool->open = 1;
  atomic_fetch_add_explicit(&pool->doors, 1u, memory_order_relaxed);
  if (pool->sleeping != 0) pthread_cond_broadcast(&pool->opened);
  pthread_mutex_unlock(&pool->lock);
}

static void close_door(edge_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->open = 0;
  pthread_mutex_unlock(&pool->lock);
}

void edge_pool_run(edge_pool *pool, edge_pool_job *job, void *context) {
  if (pool->threads == 1) {
    job(context, 0);
    return;
  }
  open_door(pool, job, context);
  job(context, 0);
  close_door(pool);
  for (int looks = 0; atomic_load_explicit(&pool->inside, memory_order_acquire) != 0; looks++) {
    if (looks < LOOKS_BEFORE_YIELD) {
      pause_cpu();
    } else {
      sched_yield();
    }
  }
}

void edge_pool_after_fork(edge_pool *pool) {
  if (pool == NULL) return;
  init_lock(pool);
  atomic_store(&pool->inside, 0u);
  pool->open = 0;
  pool->sleeping = 0;
  pool->threads = 1;
  pool->started = 0;
}
