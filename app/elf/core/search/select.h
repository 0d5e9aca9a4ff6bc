/* The entries of names that have a rank, in order. */
#ifndef PROBESCOPE_SEARCH_SELECT_H
#define PROBESCOPE_SEARCH_SELECT_H

#include "lines.h"

enum { KINDS = 4, ALL_KINDS = -1 };

/* Names that were found, in order, each with its rank. A name's entries lie from its place in `at` to the next
 * one's; `kinds` has a kind for each entry. */
typedef struct {
    const uint32_t *found;
    const uint16_t *ranks;
    size_t count;
    const uint32_t *at; /* names + 1 */
    const uint8_t *kinds;
    size_t names, entries;
} Ranked;

/* Fills `out`, of `most` items, with the first of the `wanted` kind by rank, then kind, then as they lie, and
 * gives how many. `counts` gets how many matched of each kind; an entry of another kind than these is left out.
 */
Status select_entries(const Ranked *ranked, int wanted, uint32_t *out, size_t most, size_t *count,
                      uint64_t counts[KINDS]);

#endif
