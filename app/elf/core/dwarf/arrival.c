/* The bytes of a section, put by one thread and waited for by others. */
#include "arrival.h"

#include <stdlib.h>

bool arrival_open(Arrival *arrival, size_t size)
{
    *arrival = (Arrival){.data = malloc(size ? size : 1), .size = size};
    if (!arrival->data)
        return false;
    pthread_mutex_init(&arrival->lock, NULL);
    pthread_cond_init(&arrival->changed, NULL);
    return true;
}

void arrival_close(Arrival *arrival)
{
    if (!arrival->data)
        return;
    pthread_cond_destroy(&arrival->changed);
    pthread_mutex_destroy(&arrival->lock);
    free(arrival->data);
    arrival->data = NULL;
}

bool arrival_put(Arrival *arrival, Bytes bytes)
{
    pthread_mutex_lock(&arrival->lock);
    bool room = arrival->state == ARRIVING && bytes.size <= arrival->size - arrival->there;
    pthread_mutex_unlock(&arrival->lock);
    if (!room)
        return false;
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
    pthread_mutex_unlock(&arrival->lock);
}
