/* Threads that share the rows of one kernel call. One pool per edge_host; made where a session asks for threads.
 *
 *     caller   open the door, work, close the door, wait until nobody is inside
 *     worker   wait for a door that it has not seen, enter, work, leave
 *
 * Who comes too late finds the door closed and is not waited for: on a busy machine the caller does the work of a
 * thread that the system does not run.
 */
#ifndef EDGE_POOL_H
#define EDGE_POOL_H

#include <stdint.h>

#define EDGE_POOL_MAX_THREADS 64u

typedef struct edge_pool edge_pool;

/* `thread` is below the pool's number of threads and no two jobs under way have the same. */
typedef void edge_pool_job(void *context, uint32_t thread);

/* threads: 2 .. EDGE_POOL_MAX_THREADS, the caller's included. NULL without memory or threads. */
edge_pool *edge_pool_open(uint32_t threads);
void edge_pool_close(edge_pool *pool);
uint32_t edge_pool_threads(const edge_pool *pool);

/* Runs job(context, 0) here and, side by side, at most one job(context, thread) on each other thread. Returns when all
 * have ended. A job must find its share of the work by itself: others may never run. */
void edge_pool_run(edge_pool *pool, edge_pool_job *job, void *context);

/* In the child of a fork: the other threads are gone, the caller works alone. */
void edge_pool_after_fork(edge_pool *pool);

#endif
