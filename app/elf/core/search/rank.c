/* Places of a text in lines to ranks of names: exact before unqualified before prefix before inside. */
#define _POSIX_C_SOURCE 199309L
#include "rank.h"

#include <time.h>

#include "scan.h"

bool deadline_over(Deadline *deadline)
{
    struct timespec now;
    deadline->work = 0;
    if (deadline->until <= 0 || clock_gettime(CLOCK_MONOTONIC, &now))
        return false;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 > deadline->until;
}

/* What stands before is a qualifier or a return type; what stands behind are parameters. */
static inline bool opens(uint8_t before)
{
    return before == ':' || before == ' ';
}

static inline bool closes(uint8_t after)
{
    return after == '(' || after == '<';
}

Status rank_substring(const Lines *lines, const uint8_t *needle, size_t length, bool fold, unsigned sides,
                      bool portable, uint16_t *ranks, Deadline deadline)
{
    Scan scan;
    if (!lines->count || !scan_start(&scan, lines->text, lines->size, needle, length, fold, portable))
        return DONE;
    uint32_t places[PLACES];
    size_t index = 0, found;
    Line line = line_at(lines, 0);
    while (scan_next(&scan, places, &found)) {
        if (deadline_passed(&deadline, scan.work + 8 * found))
            return OUT_OF_TIME;
        for (size_t i = 0; i < found; i++) {
            size_t place = places[i];
            if (place > line.at + line.length) {
                index = line_of(lines, index, place);
                line = line_at(lines, index);
            }
            if (place < line.at || place + length > line.at + line.length)
                continue;
            bool first = place == line.at, last = place + length == line.at + line.length;
            bool open = first || opens(lines->text[place - 1]);
            bool close = last || closes(lines->text[place + length]);
            if ((sides & OPENED && !open) || (sides & CLOSED && !close))
                continue;
            uint16_t rank = first && last   ? EXACT
                            : open && close ? UNQUALIFIED
                            : first         ? PREFIX
                                            : INSIDE;
            rank_down(lines, index, ranks, rank);
        }
    }
    return DONE;
}

Status rank_prefix(const Lines *lines, const uint8_t *needle, size_t length, bool fold, unsigned sides,
                   uint16_t *ranks, Deadline deadline)
{
    for (size_t index = 0; index < lines->count; index++) {
        Line line = line_at(lines, index);
        if (line.length < length)
            continue;
        const uint8_t *text = lines->text + line.at;
        size_t i = 0;
        while (i < length && (text[i] | (fold && is_lower(needle[i]) ? 0x20 : 0)) == needle[i])
            i++;
        if (deadline_passed(&deadline, 4 + i))
            return OUT_OF_TIME;
        if (i < length || (sides & CLOSED && line.length > length && !closes(text[length])))
            continue;
        rank_down(lines, index, ranks, line.length == length ? EXACT : PREFIX);
    }
    return DONE;
}
