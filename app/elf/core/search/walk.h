/* The lines that hold a needle. */
#ifndef PROBESCOPE_SEARCH_WALK_H
#define PROBESCOPE_SEARCH_WALK_H

#include "found.h"
#include "scan.h"

typedef struct {
    const Grown *grown;
    Lines more; /* what the lines have more than those before */
    const uint8_t *needle, *bits; /* the whole of it; `scan` looks for its end */
    size_t length, tail;
    unsigned sides;
    size_t line, end;
    Scan scan;
    uint32_t places[PLACES];
    size_t count, next;
} Walk;

/* `bits` is 0x20 for each letter whose case does not count, which is lower then, else 0. A needle that is empty or
 * too long is in no line. */
Status walk_start(Walk *walk, const Grown *grown, size_t first, size_t end, const uint8_t *needle,
                  const uint8_t *bits, size_t length, unsigned sides, bool portable, Deadline *deadline);

/* Adds the lines that hold the needle, with the best rank that it has in each; there is room for all. */
Status walk_lines(Walk *walk, Found *found, Deadline *deadline);

#endif
