/* Matches whose end a line shares are kept from the line before; others lie in what it has more. */
#include "walk.h"

#include <string.h>

#include "rank.h"

#define NO_PLACE UINT32_MAX
enum { NEAR = 8 };

/* More places, so that there is a next one unless all are over. */
static Status refill(Walk *walk, Deadline *deadline)
{
    while (walk->next == walk->count) {
        bool over = !scan_next(&walk->scan, walk->places, &walk->count);
        walk->next = 0;
        if (over) {
            walk->places[0] = NO_PLACE;
            walk->count = 1;
        } else if (deadline_passed(deadline, walk->scan.work + 4 * walk->count)) {
            return OUT_OF_TIME;
        }
    }
    return DONE;
}

Status walk_start(Walk *walk, const Grown *grown, size_t first, size_t end, const uint8_t *needle,
                  const uint8_t *bits, size_t length, unsigned sides, bool portable, Deadline *deadline)
{
    walk->grown = grown;
    walk->line = walk->end = end;
    walk->next = 0;
    walk->places[0] = NO_PLACE;
    if (!length || length > NEEDLE_MOST || first >= end)
        return DONE;
    walk->needle = needle;
    walk->bits = bits;
    walk->length = length;
    walk->tail = length < CONTEXT ? length : CONTEXT;
    walk->sides = sides;
    walk->count = walk->next = 0;
    walk->more = (Lines){.text = grown->text, .size = grown->size, .at = grown->at, .count = end};
    Lines some = walk->more;
    some.at += first;
    some.count -= first;
    size_t behind = length - walk->tail;
    if (!scan_start(&walk->scan, &some, needle + behind, walk->tail, false, portable))
        return DONE;
    memcpy(walk->scan.bits, bits + behind, walk->tail);
    walk->line = first;
    return refill(walk, deadline);
}

/* As line_of, for places that mostly lie near: without a branch on which of the next lines it is. */
static inline size_t line_near(const Lines *lines, size_t from, size_t place)
{
    for (size_t turn = 0; turn < 2 && lines->count - from > NEAR; turn++) {
        size_t passed = 0;
        for (size_t i = 1; i <= NEAR; i++)
            passed += lines->at[from + i] <= place;
        from += passed;
        if (passed < NEAR)
            return from;
    }
    return line_of(lines, from, place);
}

/* Where a match begins in its line, whose tail begins at `from`; SIZE_MAX where it is none. */
static size_t beginning(const Walk *walk, size_t index, size_t from, const uint8_t **whole)
{
    size_t before = walk->length - walk->tail;
    Line line = line_at(&walk->grown->lines, index);
    if (from < before || from - before + walk->length > line.length)
        return SIZE_MAX;
    size_t begin = from - before;
    *whole = walk->grown->lines.text + line.at;
    for (size_t i = 0; i < before; i++)
        if (((*whole)[begin + i] | walk->bits[i]) != walk->needle[i])
            return SIZE_MAX;
    return begin;
}

/* The rank of the match whose tail lies at `place` of the line that begins at `at` and ends at `stop`; NONE where
 * it is not to count, or is no better than `best`. `end` gets where it ends in its line. */
static inline uint16_t rank_at(const Walk *walk, size_t line, size_t place, size_t at, size_t stop,
                               uint16_t best, size_t *end)
{
    const Grown *grown = walk->grown;
    bool within = place > at && walk->length == walk->tail;
    /* Most of them: nothing that stands before them lets them be more than inside. */
    if (within && best <= INSIDE && !opens(grown->text[place - 1]))
        return NONE;
    size_t from = left_out(grown, line) + (place - at), begin = from;
    *end = from + walk->tail;
    /* One whose end is shared is known from the line before. */
    if (place + walk->tail > stop || *end < grown->shared[line])
        return NONE;
    uint8_t before = place > at ? grown->text[place - 1] : 0;
    if (!within && from) {
        const uint8_t *whole = NULL;
        begin = beginning(walk, line, from, &whole);
        if (begin == SIZE_MAX)
            return NONE;
        before = begin ? whole[begin - 1] : 0;
    } else if (walk->length > walk->tail) {
        return NONE;
    }
    bool first = !begin, open = first || opens(before);
    if (!open && walk->sides & OPENED)
        return NONE;
    uint16_t rank = first ? PREFIX : INSIDE;
    if (open || walk->sides & CLOSED) {
        bool last = place + walk->tail == stop, close = last || closes(grown->text[place + walk->tail]);
        if (walk->sides & CLOSED && !close)
            return NONE;
        if (open && close)
            rank = first && last ? EXACT : UNQUALIFIED;
    }
    return rank < best ? rank : NONE;
}

/* A match that the next line may share: where it ends, and its rank, which is better than those before it. */
typedef struct {
    size_t end;
    uint16_t rank;
} Match;

Status walk_lines(Walk *walk, Found *found, Deadline *deadline)
{
    /* By names of their own, so that they can stay in registers. */
    const uint32_t *starts = walk->grown->at;
    const uint8_t *shared = walk->grown->shared;
    uint32_t *items = found->items.items + found->items.count;
    uint16_t *ranks = found->ranks.items + found->ranks.count;
    Match matches[INSIDE + 1];
    size_t depth = 0, line = walk->line, end = walk->end, place = walk->places[walk->next], count = 0;
    while (line < end) {
        while (depth && matches[depth - 1].end >= shared[line])
            depth--;
        if (!depth) {
            if (place == NO_PLACE)
                break;
            /* No line before that has a match, neither its own nor a shared one. */
            line = line_near(&walk->more, line, place);
        }
        uint16_t best = depth ? matches[depth - 1].rank : NONE;
        size_t at = starts[line], next = starts[line + 1], first = line;
        size_t stop = next < walk->grown->size ? next : walk->grown->size;
        while (place < next) {
            size_t behind;
            uint16_t rank =
                place < at ? NONE : rank_at(walk, line, place, at, stop ? stop - 1 : 0, best, &behind);
            if (rank != NONE && depth <= INSIDE)
                matches[depth++] = (Match){behind, best = rank};
            if (++walk->next == walk->count && refill(walk, deadline) != DONE)
                return OUT_OF_TIME;
            place = walk->places[walk->next];
        }
        items[count] = (uint32_t)line;
        ranks[count] = best;
        count += best != NONE;
        line++;
        /* Lines that share its best match and have nothing of their own. */
        for (size_t ends = depth ? matches[depth - 1].end : SIZE_MAX;
             line < end && shared[line] > ends && starts[line + 1] <= place; line++) {
            items[count] = (uint32_t)line;
            ranks[count++] = best;
        }
        if (deadline_passed(deadline, 4 + line - first))
            return OUT_OF_TIME;
    }
    found->items.count += count;
    found->ranks.count += count;
    return DONE;
}
