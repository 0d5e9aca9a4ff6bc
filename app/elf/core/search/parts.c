/* Lines cut into parts of about the same number, and those of further spellings as the last one.
 *
 * No two parts have a name in common, but for the last, which waits for the others: so nobody writes where
 * another one does, and the answer is the same however many threads there are.
 */
#define _DEFAULT_SOURCE
#include "parts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ENOUGH = 4 << 20 /* bytes of text that a part is worth a thread for */ };

typedef struct {
    Lines lines;
    Work work;
    const void *question;
    void *out;
    Deadline deadline;
    Status status;
} Part;

typedef struct {
    void (*work)(void *part);
    void *part;
    pthread_t thread;
    bool started;
} Thread;

static void *on_thread(void *given)
{
    Thread *thread = given;
    thread->work(thread->part);
    return NULL;
}

size_t parts_of(size_t size)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t parts = size / ENOUGH;
    if (cores < 1 || parts < 1)
        return 1;
    if (parts > (size_t)cores)
        parts = (size_t)cores;
    return parts < MOST_PARTS ? parts : MOST_PARTS;
}

void run_parts(void (*work)(void *part), void *parts, size_t size, size_t count)
{
    Thread threads[MOST_PARTS];
    for (size_t i = 0; i < count; i++) {
        threads[i] = (Thread){work, (char *)parts + i * size, 0, false};
        threads[i].started = i && !pthread_create(&threads[i].thread, NULL, on_thread, &threads[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (threads[i].started)
            pthread_join(threads[i].thread, NULL);
        else
            work(threads[i].part);
    }
}

typedef struct {
    void (*work)(void *given, size_t first, size_t end);
    void *given;
    size_t count, chunk;
    atomic_size_t *next;
} Taker;

static void take_chunks(void *given)
{
    const Taker *taker = given;
    size_t first;
    while ((first = atomic_fetch_add(taker->next, taker->chunk)) < taker->count) {
        size_t left = taker->count - first;
        taker->work(taker->given, first, first + (left < taker->chunk ? left : taker->chunk));
    }
}

void run_chunks(void (*work)(void *given, size_t first, size_t end), void *given, size_t count, size_t chunk,
                size_t size)
{
    atomic_size_t next = 0;
    Taker takers[MOST_PARTS];
    size_t parts = parts_of(size);
    for (size_t i = 0; i < parts; i++)
        takers[i] = (Taker){work, given, count, chunk, &next};
    run_parts(take_chunks, takers, sizeof *takers, parts);
}

static void run(void *given)
{
    Part *part = given;
    part->status = part->work(&part->lines, part->question, part->out, part->deadline);
}

Status in_parts(const Lines *lines, Work work, const void *question, void *out, size_t size, bool by_line,
                Deadline deadline)
{
    size_t count = parts_of(lines->size);
    Part parts[MOST_PARTS];
    Status status = DONE;
    for (size_t i = 0; i < count; i++) {
        size_t first = lines->shown * i / count, end = lines->shown * (i + 1) / count;
        Lines some = *lines;
        some.at += first;
        some.count = some.shown = some.names = end - first;
        parts[i] = (Part){some, work, question, (char *)out + first * size, deadline, DONE};
    }
    run_parts(run, parts, sizeof *parts, count);
    for (size_t i = 0; i < count; i++)
        if (parts[i].status != DONE)
            status = parts[i].status;
    if (status != DONE || lines->count == lines->shown)
        return status;
    Lines rest = *lines;
    rest.at += lines->shown;
    rest.count -= lines->shown;
    rest.shown = 0;
    return work(&rest, question, by_line ? (char *)out + lines->shown * size : out, deadline);
}
