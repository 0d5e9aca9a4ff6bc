/* By counting: how many entries have each rank and kind, then every entry that is asked for to its place; parts of
 * the names side by side, whose entries of one rank and kind lie one behind the other.
 *
 * The arrays may be a file's pages, which can change meanwhile: every place is looked at before use.
 */
#include "select.h"

#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { BYTES_A_NAME = 16 /* of text that are worth as much as a name */ };

typedef struct {
    const Ranked *ranked;
    size_t first, end; /* found names */
    size_t rows;       /* ranks below this one count */
    size_t *places;    /* of each rank and kind: how many entries, then where the next one goes */
    size_t open;       /* entries of this share that have a place below `most` */
    int wanted;
    uint32_t *out;
    size_t most;
} Share;

typedef struct {
    size_t first, end;
} Entries;

static inline Entries entries_of(const Ranked *ranked, size_t name)
{
    if (name >= ranked->names)
        return (Entries){0, 0};
    size_t first = ranked->at[name], end = ranked->at[name + 1];
    return (Entries){first, end < ranked->entries ? end : ranked->entries};
}

static void count_share(void *given)
{
    Share *share = given;
    const Ranked *ranked = share->ranked;
    for (size_t i = share->first; i < share->end; i++) {
        size_t rank = ranked->ranks[i];
        if (rank >= share->rows)
            continue;
        Entries some = entries_of(ranked, ranked->found[i]);
        for (size_t entry = some.first; entry < some.end; entry++)
            if (ranked->kinds[entry] < KINDS)
                share->places[rank * KINDS + ranked->kinds[entry]]++;
    }
}

static void place_share(void *given)
{
    Share *share = given;
    const Ranked *ranked = share->ranked;
    for (size_t i = share->first; i < share->end && share->open; i++) {
        size_t rank = ranked->ranks[i];
        if (rank >= share->rows)
            continue;
        Entries some = entries_of(ranked, ranked->found[i]);
        for (size_t entry = some.first; entry < some.end; entry++) {
            int kind = ranked->kinds[entry];
            if (kind >= KINDS || (share->wanted != ALL_KINDS && share->wanted != kind))
                continue;
            size_t place = share->places[rank * KINDS + (size_t)kind]++;
            if (place >= share->most)
                continue;
            share->out[place] = (uint32_t)entry;
            share->open -= share->open > 0;
        }
    }
}

/* Counts to places; gives how many entries there are of those wanted. */
static size_t add_up(Share *shares, size_t count, uint64_t counts[KINDS])
{
    size_t sum = 0, rows = shares[0].rows, needed = 0;
    memset(counts, 0, KINDS * sizeof *counts);
    for (size_t place = 0; place < rows * KINDS; place++) {
        int kind = (int)(place % KINDS);
        bool chosen = shares[0].wanted == ALL_KINDS || shares[0].wanted == kind;
        for (size_t i = 0; i < count; i++) {
            size_t here = shares[i].places[place], most = shares[i].most;
            counts[kind] += here;
            shares[i].places[place] = sum;
            if (!chosen || !here)
                continue;
            if (sum < most) {
                shares[i].open += here < most - sum ? here : most - sum;
                needed = place / KINDS + 1;
            }
            sum += here;
        }
    }
    /* Names of a rank none of whose entries is asked for are passed over. */
    for (size_t i = 0; i < count; i++)
        shares[i].rows = needed;
    return sum;
}

Status select_entries(const Ranked *ranked, int wanted, uint32_t *out, size_t most, size_t *count,
                      uint64_t counts[KINDS])
{
    size_t parts = parts_of(ranked->count * BYTES_A_NAME), rows = 0;
    for (size_t i = 0; i < ranked->count; i++)
        if (ranked->ranks[i] < NONE && ranked->ranks[i] >= rows)
            rows = (size_t)ranked->ranks[i] + 1;
    size_t spread = rows * KINDS, *places = calloc(parts * spread + 1, sizeof *places);
    if (!places)
        return OUT_OF_MEMORY;
    Share shares[MOST_PARTS];
    for (size_t i = 0; i < parts; i++) {
        size_t first = ranked->count * i / parts, end = ranked->count * (i + 1) / parts;
        shares[i] = (Share){ranked, first, end, rows, places + i * spread, 0, wanted, out, most};
    }
    run_parts(count_share, shares, sizeof *shares, parts);
    size_t sum = add_up(shares, parts, counts);
    run_parts(place_share, shares, sizeof *shares, parts);
    free(places);
    *count = sum < most ? sum : most;
    return DONE;
}
