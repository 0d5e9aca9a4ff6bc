/* By counting: the names that have a rank, then how many entries have each, then every entry to its place; parts
 * of the names side by side, whose entries of one rank and kind lie one behind the other.
 *
 * The arrays may be a file's pages, which can change meanwhile: every place is looked at before use.
 */
#include "select.h"

#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { AT_ONCE = 4, BYTES_A_NAME = 32 /* of text that are looked through in a name's time */ };

typedef struct {
    const Ranked *ranked;
    size_t first, end; /* names */
    uint32_t *names;   /* those that have a rank */
    size_t found;
    size_t rows;    /* ranks that there are at most */
    size_t *places; /* of each rank and kind: how many entries, then where the next one goes */
    int wanted;
    uint32_t *out;
} Share;

/* Whether none of the four ranks from `ranks` on is one. */
static inline bool none(const uint16_t *ranks)
{
    uint64_t four;
    memcpy(&four, ranks, sizeof four);
    return four == UINT64_MAX;
}

/* Without a branch where some of them match: which do is as good as chance. */
static void find_names(Share *share)
{
    const uint16_t *ranks = share->ranked->ranks;
    uint32_t *found = share->names;
    size_t count = 0, name = share->first;
    for (; name + AT_ONCE <= share->end; name += AT_ONCE) {
        if (none(ranks + name))
            continue;
        for (size_t i = name; i < name + AT_ONCE; i++) {
            found[count] = (uint32_t)i;
            count += ranks[i] != NONE;
        }
    }
    for (; name < share->end; name++) {
        found[count] = (uint32_t)name;
        count += ranks[name] != NONE;
    }
    share->found = count;
}

static inline size_t clipped(const Ranked *ranked, size_t name)
{
    size_t at = ranked->at[name];
    return at < ranked->entries ? at : ranked->entries;
}

static void count_share(void *given)
{
    Share *share = given;
    const Ranked *ranked = share->ranked;
    find_names(share);
    for (size_t i = 0; i < share->found; i++) {
        size_t rank = ranked->ranks[share->names[i]], end = clipped(ranked, share->names[i] + 1);
        share->rows = rank < share->rows ? share->rows : rank + 1;
        for (size_t entry = clipped(ranked, share->names[i]); entry < end; entry++)
            if (ranked->kinds[entry] < KINDS)
                share->places[rank * KINDS + ranked->kinds[entry]]++;
    }
}

static void place_share(void *given)
{
    Share *share = given;
    const Ranked *ranked = share->ranked;
    for (size_t i = 0; i < share->found; i++) {
        size_t rank = ranked->ranks[share->names[i]], end = clipped(ranked, share->names[i] + 1);
        for (size_t entry = clipped(ranked, share->names[i]); entry < end; entry++) {
            int kind = ranked->kinds[entry];
            if (kind >= KINDS || (share->wanted != ALL_KINDS && share->wanted != kind))
                continue;
            size_t place = share->places[rank * KINDS + (size_t)kind]++;
            if (place < ranked->entries)
                share->out[place] = (uint32_t)entry;
        }
    }
}

static size_t add_up(Share *shares, size_t count, uint64_t counts[KINDS])
{
    size_t sum = 0, rows = 0;
    memset(counts, 0, KINDS * sizeof *counts);
    for (size_t i = 0; i < count; i++)
        rows = shares[i].rows < rows ? rows : shares[i].rows;
    for (size_t place = 0; place < rows * KINDS; place++) {
        int kind = (int)(place % KINDS);
        for (size_t i = 0; i < count; i++) {
            size_t here = shares[i].places[place];
            counts[kind] += here;
            shares[i].places[place] = sum;
            sum += shares[i].wanted == ALL_KINDS || shares[i].wanted == kind ? here : 0;
        }
    }
    return sum;
}

Status select_entries(const Ranked *ranked, int wanted, uint32_t *out, size_t *count, uint64_t counts[KINDS])
{
    if (ranked->names > UINT32_MAX)
        return OUT_OF_MEMORY;
    size_t parts = parts_of(ranked->names * BYTES_A_NAME), spread = (size_t)NONE * KINDS;
    size_t *places = calloc(parts * spread, sizeof *places);
    /* One more for each part, for what is written before it is known whether it counts. */
    uint32_t *names = malloc((ranked->names + parts) * sizeof *names);
    if (!places || !names) {
        free(places);
        free(names);
        return OUT_OF_MEMORY;
    }
    Share shares[MOST_PARTS];
    for (size_t i = 0; i < parts; i++) {
        size_t first = ranked->names * i / parts, end = ranked->names * (i + 1) / parts;
        shares[i] = (Share){ranked, first, end, names + first + i, 0, 0, places + i * spread, wanted, out};
    }
    run_parts(count_share, shares, sizeof *shares, parts);
    size_t sum = add_up(shares, parts, counts);
    run_parts(place_share, shares, sizeof *shares, parts);
    free(places);
    free(names);
    *count = sum < ranked->entries ? sum : ranked->entries;
    return DONE;
}
