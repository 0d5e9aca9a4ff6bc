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

Status rank_substring(const Lines *lines, const void *given, void *ranks, Deadline deadline)
{
    const Question *question = given;
    size_t length = question->length;
    unsigned sides = question->sides;
    Scan scan;
    if (!scan_start(&scan, lines, question->needle, length, question->fold, question->portable))
        return DONE;
    uint32_t places[PLACES];
    size_t index = 0, found;
    Line line = line_at(lines, 0);
    size_t end = line.at + line.length;
    uint16_t best = NONE; /* of the line at hand */
    while (scan_next(&scan, places, &found)) {
        if (deadline_passed(&deadline, scan.work + 4 * found))
            return OUT_OF_TIME;
        for (size_t i = 0; i < found; i++) {
            size_t place = places[i];
            if (place > end) {
                rank_down(lines, index, ranks, best);
                best = NONE;
                index = line_of(lines, index, place);
                line = line_at(lines, index);
                end = line.at + line.length;
            }
            if (place < line.at || place + length > end)
                continue;
            bool first = place == line.at;
            bool open = first || opens(lines->text[place - 1]);
            uint16_t rank = first ? PREFIX : INSIDE;
            /* Only where it may change something: most places lie inside a word. */
            if (open || sides & CLOSED) {
                bool last = place + length == end;
                bool close = last || closes(lines->text[place + length]);
                if (sides & CLOSED && !close)
                    continue;
                if (open && close)
                    rank = first && last ? EXACT : UNQUALIFIED;
            }
            if (rank < best && (open || !(sides & OPENED)))
                best = rank;
        }
    }
    rank_down(lines, index, ranks, best);
    return DONE;
}

Status rank_prefix(const Lines *lines, const void *given, void *ranks, Deadline deadline)
{
    const Question *question = given;
    const uint8_t *needle = question->needle;
    size_t length = question->length;
    bool fold = question->fold;
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
        if (i < length || (question->sides & CLOSED && line.length > length && !closes(text[length])))
            continue;
        rank_down(lines, index, ranks, line.length == length ? EXACT : PREFIX);
    }
    return DONE;
}
