/* A text and a kind of match to the names that match and their ranks, over lines as they grow.
 *
 * What a line shares with the one before is as it was there: so a match that ends in it needs no reading. The
 * answers are those of rank.h over the same lines.
 */
#ifndef PROBESCOPE_SEARCH_FOUND_H
#define PROBESCOPE_SEARCH_FOUND_H

#include "grown.h"
#include "pattern.h"
#include "rank.h"
#include "vec.h"

/* Names, or lines, in order, each once, and the rank of each. */
typedef struct {
    VEC(uint32_t) items;
    VEC(uint16_t) ranks;
} Found;

/* Adds what it finds among the lines from `first` to `end`, which begins at a RESTART; there is room for each of
 * them. */
typedef Status (*Finder)(const Grown *grown, size_t first, size_t end, const void *question, Found *found,
                         Deadline *deadline);

Status find_substring(const Grown *grown, size_t first, size_t end, const void *question, Found *found,
                      Deadline *deadline);
Status find_prefix(const Grown *grown, size_t first, size_t end, const void *question, Found *found,
                   Deadline *deadline);
Status find_fuzzy(const Grown *grown, size_t first, size_t end, const void *question, Found *found,
                  Deadline *deadline);

/* The lines that match a Pattern; their rank is INSIDE. */
Status find_pattern(const Grown *grown, size_t first, size_t end, const void *pattern, Found *found,
                    Deadline *deadline);

/* What was found, and what it was found in: kept from one question to the next, because fresh memory costs more
 * than what is done with it. */
typedef struct {
    size_t count;
    Found *chunks;
    Found lines, names;
    VEC(uint64_t) pairs;
} Finds;

/* All names that are found, or with `by_line` lines; `found` lies in `finds`, which is given back after use,
 * whatever the status is. */
Status find_all(const Grown *grown, Finder finder, const void *question, bool by_line, Deadline deadline,
                Finds **finds, const Found **found);
void finds_give(Finds *finds);

/* Frees what is kept. */
void finds_let_go(void);

static inline void found_push(Found *found, size_t item, uint16_t rank)
{
    found->items.items[found->items.count++] = (uint32_t)item;
    found->ranks.items[found->ranks.count++] = rank;
}

#endif
