/* What is said of functions or variables that are the same: name, linkage name, scope, file, line; each once. */
#ifndef PROBESCOPE_SAME_H
#define PROBESCOPE_SAME_H

#include "map.h"
#include "vec.h"

enum { SAID = 5 };

typedef struct {
    uint32_t said[SAID];
    uint32_t next;   /* index + 1 of another one with the same hash */
    uint32_t number; /* the user's; UINT32_MAX at first */
} Same;

typedef struct {
    Map hashes; /* hash -> index + 1 */
    VEC(Same) items;
} SameTable;

static inline uint64_t same_hash(const uint32_t *said)
{
    uint64_t hash = 0;
    for (int i = 0; i < SAID; i++) {
        hash = (hash ^ said[i]) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 31;
    }
    return hash | 1;
}

/* The index of what is said; where there is no name, nothing else is the same. UINT32_MAX when memory is out. */
static inline uint32_t same_index(SameTable *table, const uint32_t *said)
{
    uint32_t *first = NULL;
    if (said[0]) {
        bool fresh;
        first = map_put(&table->hashes, same_hash(said), &fresh);
        if (!first)
            return UINT32_MAX;
        for (uint32_t i = *first; i; i = table->items.items[i - 1].next)
            if (!memcmp(table->items.items[i - 1].said, said, SAID * sizeof *said))
                return i - 1;
    }
    Same same = {.next = first ? *first : 0, .number = UINT32_MAX};
    memcpy(same.said, said, sizeof same.said);
    if (table->items.count >= UINT32_MAX - 1 || !vec_push(&table->items, same))
        return UINT32_MAX;
    if (first)
        *first = (uint32_t)table->items.count;
    return (uint32_t)table->items.count - 1;
}

static inline void same_free(SameTable *table)
{
    map_free(&table->hashes);
    vec_free(&table->items);
}

#endif
