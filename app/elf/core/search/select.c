/* By counting: the names that have a rank, then how many entries have each, then every entry to its place.
 *
 * The arrays may be a file's pages, which can change meanwhile: every place is looked at before use.
 */
#include "select.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 4 };

/* Whether none of the four ranks from `ranks` on is one. */
static inline bool none(const uint16_t *ranks)
{
    uint64_t four;
    memcpy(&four, ranks, sizeof four);
    return four == UINT64_MAX;
}

/* Without a branch where some of them match: which do is as good as chance. */
static size_t names_with_rank(const Ranked *ranked, uint32_t *found)
{
    size_t count = 0, name = 0;
    for (; name + AT_ONCE <= ranked->names; name += AT_ONCE) {
        if (none(ranked->ranks + name))
            continue;
        for (size_t i = name; i < name + AT_ONCE; i++) {
            found[count] = (uint32_t)i;
            count += ranked->ranks[i] != NONE;
        }
    }
    for (; name < ranked->names; name++) {
        found[count] = (uint32_t)name;
        count += ranked->ranks[name] != NONE;
    }
    return count;
}

static inline size_t clipped(const Ranked *ranked, size_t name)
{
    size_t at = ranked->at[name];
    return at < ranked->entries ? at : ranked->entries;
}

static size_t add_up(size_t *places, size_t rows, int wanted, uint64_t counts[KINDS])
{
    size_t sum = 0;
    memset(counts, 0, KINDS * sizeof *counts);
    for (size_t i = 0; i < rows * KINDS; i++) {
        size_t here = places[i];
        int kind = (int)(i % KINDS);
        counts[kind] += here;
        places[i] = sum;
        sum += wanted == ALL_KINDS || wanted == kind ? here : 0;
    }
    return sum;
}

Status select_entries(const Ranked *ranked, int wanted, uint32_t *out, size_t *count, uint64_t counts[KINDS])
{
    if (ranked->names > UINT32_MAX)
        return OUT_OF_MEMORY;
    size_t *places = calloc((size_t)NONE * KINDS, sizeof *places);
    /* One more, for what is written before it is known whether it counts. */
    uint32_t *names = malloc((ranked->names + 1) * sizeof *names);
    if (!places || !names) {
        free(places);
        free(names);
        return OUT_OF_MEMORY;
    }
    size_t found = names_with_rank(ranked, names), rows = 0;
    for (size_t i = 0; i < found; i++) {
        size_t rank = ranked->ranks[names[i]], end = clipped(ranked, names[i] + 1);
        rows = rank < rows ? rows : rank + 1;
        for (size_t entry = clipped(ranked, names[i]); entry < end; entry++)
            if (ranked->kinds[entry] < KINDS)
                places[rank * KINDS + ranked->kinds[entry]]++;
    }
    size_t sum = add_up(places, rows, wanted, counts);
    for (size_t i = 0; i < found; i++) {
        size_t rank = ranked->ranks[names[i]], end = clipped(ranked, names[i] + 1);
        for (size_t entry = clipped(ranked, names[i]); entry < end; entry++) {
            int kind = ranked->kinds[entry];
            if (kind >= KINDS || (wanted != ALL_KINDS && wanted != kind))
                continue;
            size_t place = places[rank * KINDS + (size_t)kind]++;
            if (place < ranked->entries)
                out[place] = (uint32_t)entry;
        }
    }
    free(places);
    free(names);
    *count = sum < ranked->entries ? sum : ranked->entries;
    return DONE;
}
