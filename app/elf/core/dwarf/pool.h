/* Resident threads that share out numbered tasks; without any, the calling thread does them all. */
#ifndef PROBESCOPE_POOL_H
#define PROBESCOPE_POOL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Pool Pool;

/* Does task `task` as worker `worker`, whose numbers run from 0. */
typedef void (*Work)(void *context, size_t task, unsigned worker);

/* As many threads as the system gives, at most `threads`; NULL when memory is out. */
Pool *pool_start(unsigned threads);
/* Threads beside the caller's. */
unsigned pool_size(const Pool *pool);
void pool_stop(Pool *pool);

/* Returns when tasks 0 to count - 1 are done, by at most `workers` threads, the caller's among them; `pool` may
 * be NULL. One caller at a time. */
void pool_run(Pool *pool, unsigned workers, size_t count, Work work, void *context);

#endif
