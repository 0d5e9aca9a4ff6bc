/* Many names, each different one once. */
#ifndef PROBESCOPE_SEARCH_INTERN_H
#define PROBESCOPE_SEARCH_INTERN_H

#include "lines.h"
#include "vec.h"

typedef struct {
    VEC(uint8_t) text;    /* lines with their newlines */
    VEC(uint32_t) starts; /* one a name */
    VEC(uint64_t) hashes;
    uint32_t *slots; /* number + 1; 0 is free */
    size_t room;     /* of slots, a power of two */
    uint64_t seed;
} Interned;

void intern_free(Interned *interned);

/* The numbers of the lines `which`, from 0 in the order in which names are first met. */
Status intern_lines(Interned *interned, const Lines *lines, const uint32_t *which, size_t count, uint32_t *out);

#endif
