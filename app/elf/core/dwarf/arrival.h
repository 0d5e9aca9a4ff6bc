/* A section whose bytes are still arriving: one thread puts them, in their order; others wait for them.
 *
 * What is read of it lies below `there`, which only grows. A state that is no longer ARRIVING is final.
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
    pthread_cond_t changed;
    uint8_t *data;
    size_t size, there;
    ArrivalState state;
} Arrival;

/* False when memory is out. */
bool arrival_open(Arrival *arrival, size_t size);
void arrival_close(Arrival *arrival);
/* False where there is no room for the bytes, or when it is over. */
bool arrival_put(Arrival *arrival, Bytes bytes);
/* No more will be put: it has arrived if all is there, else it is broken. */
void arrival_end(Arrival *arrival);

#endif
