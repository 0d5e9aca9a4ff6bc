/* Lines in the alphabet, each told by what it has more than the one before: most of a search's time is spent on
 * reading, and neighbours among sorted names share most of their bytes.
 *
 * Of a line that shares bytes with the one before, the text has the last CONTEXT of these and what follows, and a
 * newline: so a needle of up to CONTEXT bytes whose end is not shared lies in it whole. Each RESTART-th line
 * shares nothing, so that work can begin there.
 */
#ifndef PROBESCOPE_SEARCH_GROWN_H
#define PROBESCOPE_SEARCH_GROWN_H

#include "lines.h"

enum { CONTEXT = 8, RESTART = 4096, SHARED_MOST = 255 };

typedef struct {
    Lines lines;
    const uint8_t *text;
    size_t size;
    const uint32_t *at;    /* lines + 1 places in the text */
    const uint8_t *shared; /* bytes, of each line */
} Grown;

/* Bytes of a line that are not in the text. */
static inline size_t left_out(const Grown *grown, size_t index)
{
    size_t shared = grown->shared[index];
    return shared > CONTEXT ? shared - CONTEXT : 0;
}

/* Fills `shared` and `at`, of lines + 1 items, of these lines; gives the bytes of the text. */
size_t grown_measure(const Lines *lines, uint8_t *shared, uint32_t *at);

/* The text itself, for what `grown_measure` has filled, into `to`, of `size` bytes. */
void grown_fill(const Grown *grown, uint8_t *to, size_t size);

#endif
