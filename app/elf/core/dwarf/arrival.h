/* A section whose bytes are still arriving: one thread puts them, in their order; others wait for them, and give
 * back what they have done with.
 *
 * What is read of it lies from `gone` to `there`, which only grow. A state that is no longer ARRIVING is final.
 */
#ifndef PROBESCOPE_ARRIVAL_H
#define PROBESCOPE_ARRIVAL_H

#include <pthread.h>

#include "cursor.h"

typedef enum {
    ARRIVING,
    ARRIVED, /* all of it is there */
    BROKEN,  /* the rest will never come */
} ArrivalState;

typedef struct Arrival {
    pthread_mutex_t lock; /* of what follows, and of the units that are listed behind it */
    pthread_cond_t changed, room; /* for who reads; for who puts */
    uint8_t *data;
    size_t size, there;
    size_t gone;      /* read, from the start on, and by nobody any more */
    size_t dropped;   /* of that, what the kernel has back; of who puts alone */
    size_t step;      /* bytes that are given back at a time, and where they begin in memory */
    unsigned waiting; /* threads that cannot go on without more */
    bool returned;    /* bytes are given back, so that who puts them waits for that */
    ArrivalState state;
    void *pages; /* what `data` lies in */
} Arrival;

/* False when memory is out. */
bool arrival_open(Arrival *arrival, size_t size);
void arrival_close(Arrival *arrival);
/* Waits for room while bytes are given back and nobody waits for more. False where there is no room for the
 * bytes, or when it is over. */
bool arrival_put(Arrival *arrival, Bytes bytes);
/* No more will be put: it has arrived if all is there, else it is broken. */
void arrival_end(Arrival *arrival);

/* Under the lock: waits for a change. */
void arrival_wait(Arrival *arrival);
/* Under the lock: nobody will read what lies below `end`. */
void arrival_leave(Arrival *arrival, size_t end);
/* Under the lock: whether bytes are given back from now on. */
void arrival_returns(Arrival *arrival, bool returned);

#endif
