/* The bytes of a section, put by one thread and waited for by others.
 *
 * Pages that were given back are those that come next, warm from their use, so that a section takes no more
 * memory than what is at hand. They cannot be read any more: who does so is found out.
 */
#define _DEFAULT_SOURCE
#include "arrival.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#endif

/* Of a large section huge pages are given back, of others small ones; so many may be at hand unread. */
enum { HUGE_STEP = 2 << 20, SMALL_STEP = 4096, LARGE = 8 << 20, STEPS_AT_HAND = 3 };

static size_t room_of(const Arrival *arrival)
{
    return arrival->size + arrival->step;
}

bool arrival_open(Arrival *arrival, size_t size)
{
    *arrival = (Arrival){.size = size, .step = size >= LARGE ? HUGE_STEP : SMALL_STEP};
    if (size > SIZE_MAX / 2)
        return false;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *pages = mmap(NULL, room_of(arrival), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pages == MAP_FAILED)
        return false;
    arrival->pages = pages;
    arrival->data = (uint8_t *)pages + (arrival->step - (uintptr_t)pages % arrival->step) % arrival->step;
#ifdef MADV_HUGEPAGE
    if (arrival->step == HUGE_STEP)
        madvise(pages, room_of(arrival), MADV_HUGEPAGE);
#endif
    pthread_mutex_init(&arrival->lock, NULL);
    pthread_cond_init(&arrival->changed, NULL);
    pthread_cond_init(&arrival->room, NULL);
    return true;
}

void arrival_close(Arrival *arrival)
{
    if (!arrival->pages)
        return;
#ifdef POISONS
    __asan_unpoison_memory_region(arrival->data, arrival->gone);
#endif
    pthread_cond_destroy(&arrival->changed);
    pthread_cond_destroy(&arrival->room);
    pthread_mutex_destroy(&arrival->lock);
    munmap(arrival->pages, room_of(arrival));
    arrival->pages = NULL;
}

static bool is_full(const Arrival *arrival)
{
    return arrival->state == ARRIVING && arrival->returned && !arrival->waiting
           && arrival->there - arrival->gone > STEPS_AT_HAND * arrival->step;
}

/* Gives back what was read, by the thread that puts: the kernel keeps free pages by core, so that it has the same
 * ones again. Where this fails they stay, and nothing is lost but memory. */
static void drop(Arrival *arrival, size_t gone)
{
    size_t from = arrival->dropped, to = gone / arrival->step * arrival->step;
    if (to == from)
        return;
    mmap(arrival->data + from, to - from, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    arrival->dropped = to;
}

bool arrival_put(Arrival *arrival, Bytes bytes)
{
    pthread_mutex_lock(&arrival->lock);
    while (is_full(arrival))
        pthread_cond_wait(&arrival->room, &arrival->lock);
    bool room = arrival->state == ARRIVING && bytes.size <= arrival->size - arrival->there;
    size_t gone = arrival->gone;
    pthread_mutex_unlock(&arrival->lock);
    if (!room)
        return false;
    drop(arrival, gone);
    /* Nobody reads behind `there`, and only who puts moves it. */
    if (bytes.size)
        memcpy(arrival->data + arrival->there, bytes.data, bytes.size);
    pthread_mutex_lock(&arrival->lock);
    arrival->there += bytes.size;
    pthread_cond_broadcast(&arrival->changed);
    pthread_mutex_unlock(&arrival->lock);
    return true;
}

void arrival_end(Arrival *arrival)
{
    pthread_mutex_lock(&arrival->lock);
    if (arrival->state == ARRIVING)
        arrival->state = arrival->there == arrival->size ? ARRIVED : BROKEN;
    pthread_cond_broadcast(&arrival->changed);
    pthread_cond_broadcast(&arrival->room);
    pthread_mutex_unlock(&arrival->lock);
}

void arrival_wait(Arrival *arrival)
{
    if (!arrival->waiting++)
        pthread_cond_signal(&arrival->room);
    pthread_cond_wait(&arrival->changed, &arrival->lock);
    arrival->waiting--;
}

void arrival_leave(Arrival *arrival, size_t end)
{
    if (!arrival->returned || end <= arrival->gone)
        return;
    arrival->gone = end;
#ifdef POISONS
    __asan_poison_memory_region(arrival->data, end);
#endif
    pthread_cond_signal(&arrival->room);
}

void arrival_returns(Arrival *arrival, bool returned)
{
    arrival->returned = returned;
    pthread_cond_signal(&arrival->room);
}
