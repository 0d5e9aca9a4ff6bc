/* The threads wait for a round, take tasks by a counter, and report when none is left. */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { STACK = 2 << 20 };

struct Pool {
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    pthread_t *threads;
    unsigned count, workers, busy;
    uint64_t round;
    bool stop;
    Work work;
    void *context;
    size_t tasks;
    atomic_size_t next;
};

typedef struct {
    Pool *pool;
    unsigned worker;
} Seat;

static void take_tasks(Pool *pool, unsigned worker)
{
    for (;;) {
        size_t task = atomic_fetch_add(&pool->next, 1);
        if (task >= pool->tasks)
            return;
        pool->work(pool->context, task, worker);
    }
}

static void *serve(void *argument)
{
    Seat seat = *(Seat *)argument;
    free(argument);
    Pool *pool = seat.pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->round == seen)
            pthread_cond_wait(&pool->begin, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        if (seat.worker >= pool->workers)
            continue;
        pthread_mutex_unlock(&pool->lock);
        take_tasks(pool, seat.worker);
        pthread_mutex_lock(&pool->lock);
        if (!--pool->busy)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

Pool *pool_start(unsigned threads)
{
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->threads = calloc(threads + 1, sizeof *pool->threads);
    if (!pool->threads) {
        free(pool);
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->done, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    while (pool->count < threads) {
        Seat *seat = malloc(sizeof *seat);
        if (!seat)
            break;
        *seat = (Seat){pool, pool->count + 1};
        if (pthread_create(&pool->threads[pool->count], &attributes, serve, seat)) {
            free(seat);
            break;
        }
        pool->count++;
    }
    pthread_attr_destroy(&attributes);
    return pool;
}

unsigned pool_size(const Pool *pool)
{
    return pool ? pool->count : 0;
}

void pool_stop(Pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

void pool_run(Pool *pool, unsigned workers, size_t count, Work work, void *context)
{
    if (!pool || !pool->count || workers < 2 || count < 2) {
        for (size_t task = 0; task < count; task++)
            work(context, task, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->context = context;
    pool->tasks = count;
    atomic_store(&pool->next, 0);
    pool->workers = workers - 1 < pool->count ? workers : pool->count + 1;
    pool->busy = pool->workers - 1;
    pool->round++;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    take_tasks(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
