/* A program of alternatives to the lines that match one of them.
 *
 * Program, little-endian: u16 alternatives; of each u8 anchors, u16 segments; of each u16 places; of each a
 * byte: 0 and a letter, 1 and a letter whose case does not count, 2 and 32 bytes of a set. Between segments
 * lies any text. The first place of a segment behind the one before is always as good as a later one, because
 * segments have one length; so a line costs at most its length times the segment's, and nothing is tried twice.
 */
#include "pattern.h"

#include <stdlib.h>

#include "scan.h"
#include "vec.h"

enum { CHOICES_MOST = 64, PLACES_MOST = 1 << 14 };

static bool read_places(Pattern *pattern, Cursor *cursor, size_t room)
{
    Segment *segment = &pattern->segments[pattern->segment_count++];
    segment->first = pattern->place_count;
    segment->count = cursor_u16(cursor);
    if (segment->count > room - pattern->place_count)
        return false;
    for (size_t i = 0; i < segment->count; i++) {
        Place *place = &pattern->places[pattern->place_count++];
        uint8_t kind = cursor_u8(cursor);
        *place = (Place){0};
        if (kind == 2)
            place->set = cursor_bytes(cursor, 32).data;
        else
            place->letter = cursor_u8(cursor);
        if (kind == 1)
            place->bits = 0x20;
        if (cursor->bad || kind > 2)
            return false;
    }
    return true;
}

/* The longest run of letters in one segment; it is looked for first. */
static void find_literal(const Pattern *pattern, Choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) {
        const Segment *segment = &pattern->segments[choice->first + i];
        size_t run = 0;
        for (size_t j = 0; j < segment->count; j++) {
            run = pattern->places[segment->first + j].set ? 0 : run + 1;
            if (run > choice->literal_length && run <= NEEDLE_MOST) {
                choice->literal_length = run;
                choice->literal = segment->first + j + 1 - run;
            }
        }
    }
}

bool pattern_read(Pattern *pattern, Bytes program)
{
    *pattern = (Pattern){0};
    Cursor cursor = cursor_over(program, false);
    size_t choices = cursor_u16(&cursor);
    /* No place or segment takes less than two bytes of the program. */
    size_t room = program.size / 2 + 1;
    if (!choices || choices > CHOICES_MOST || room > PLACES_MOST * 17)
        return false;
    pattern->places = malloc(room * sizeof *pattern->places);
    pattern->segments = malloc(room * sizeof *pattern->segments);
    pattern->choices = malloc(choices * sizeof *pattern->choices);
    if (!pattern->places || !pattern->segments || !pattern->choices)
        return false;
    while (pattern->choice_count < choices) {
        Choice *choice = &pattern->choices[pattern->choice_count++];
        *choice = (Choice){.anchors = cursor_u8(&cursor), .first = pattern->segment_count};
        choice->count = cursor_u16(&cursor);
        if (!choice->count || choice->count > room - pattern->segment_count)
            return false;
        for (size_t i = 0; i < choice->count; i++)
            if (!read_places(pattern, &cursor, room))
                return false;
        find_literal(pattern, choice);
    }
    return !cursor.bad;
}

void pattern_free(Pattern *pattern)
{
    free(pattern->places);
    free(pattern->segments);
    free(pattern->choices);
    *pattern = (Pattern){0};
}

static inline bool place_holds(const Place *place, uint8_t byte)
{
    if (place->set)
        return place->set[byte >> 3] >> (byte & 7) & 1;
    return (byte | place->bits) == place->letter;
}

typedef enum { NO, YES, LATE } Answer;

/* How many bytes of `text` fit the places, from the first on. */
static inline size_t fitting(const Place *places, size_t count, const uint8_t *text)
{
    size_t i = 0;
    while (i < count && place_holds(&places[i], text[i]))
        i++;
    return i;
}

/* The first place at `from` or behind it where the segment fits; beyond `latest` where there is none. */
static Answer find(const Place *places, size_t count, const uint8_t *text, size_t *from, size_t latest,
                   Deadline *deadline)
{
    for (; *from <= latest; ++*from) {
        size_t fit = fitting(places, count, text + *from);
        if (fit == count)
            return YES;
        if (deadline_passed(deadline, fit + 1))
            return LATE;
    }
    return NO;
}

static Answer matches(const Pattern *pattern, const Choice *choice, const uint8_t *text, size_t length,
                      Deadline *deadline)
{
    size_t at = 0;
    for (size_t i = 0; i < choice->count; i++) {
        const Segment *segment = &pattern->segments[choice->first + i];
        const Place *places = pattern->places + segment->first;
        size_t count = segment->count;
        bool from_start = i == 0 && choice->anchors & FROM_START;
        bool to_end = i + 1 == choice->count && choice->anchors & TO_END;
        if (count > length - at || (from_start && to_end && count != length))
            return NO;
        if (to_end)
            at = length - count;
        if (from_start || to_end) {
            if (fitting(places, count, text + at) < count)
                return NO;
        } else {
            Answer answer = find(places, count, text, &at, length - count, deadline);
            if (answer != YES)
                return answer;
        }
        at += count;
    }
    return YES;
}

static Status mark_line(const Pattern *pattern, const Choice *choice, const Lines *lines, size_t index,
                        uint8_t *marks, Deadline *deadline)
{
    Line line = line_at(lines, index);
    if (marks[index])
        return DONE;
    Answer answer = matches(pattern, choice, lines->text + line.at, line.length, deadline);
    if (answer == YES)
        marks[index] = 1;
    return answer == LATE || deadline_passed(deadline, 8) ? OUT_OF_TIME : DONE;
}

static Status mark_found(const Pattern *pattern, const Choice *choice, const Lines *lines, Scan *scan,
                         uint8_t *marks, Deadline *deadline)
{
    uint32_t places[PLACES];
    size_t index = 0, found, passed = 0;
    while (scan_next(scan, places, &found)) {
        if (deadline_passed(deadline, scan->work))
            return OUT_OF_TIME;
        for (size_t i = 0; i < found; i++) {
            /* Further places in a line that was looked at say nothing new. */
            if (places[i] < passed)
                continue;
            index = line_of(lines, index, places[i]);
            Line line = line_at(lines, index);
            passed = line.at + line.length + 1;
            if (mark_line(pattern, choice, lines, index, marks, deadline) != DONE)
                return OUT_OF_TIME;
        }
    }
    return DONE;
}

size_t pattern_literal(const Pattern *pattern, const Choice *choice, uint8_t *letters, uint8_t *bits)
{
    for (size_t i = 0; i < choice->literal_length; i++) {
        letters[i] = pattern->places[choice->literal + i].letter;
        bits[i] = pattern->places[choice->literal + i].bits;
    }
    return choice->literal_length;
}

Status pattern_mark(const Lines *lines, const void *given, void *marks, Deadline deadline)
{
    const Pattern *pattern = given;
    Status status = DONE;
    for (size_t i = 0; i < pattern->choice_count && status == DONE; i++) {
        const Choice *choice = &pattern->choices[i];
        uint8_t needle[NEEDLE_MOST], bits[NEEDLE_MOST];
        pattern_literal(pattern, choice, needle, bits);
        Scan scan;
        if (scan_start(&scan, lines, needle, choice->literal_length, false, pattern->portable)) {
            memcpy(scan.bits, bits, choice->literal_length);
            status = mark_found(pattern, choice, lines, &scan, marks, &deadline);
        } else {
            for (size_t j = 0; j < lines->count && status == DONE; j++)
                status = mark_line(pattern, choice, lines, j, marks, &deadline);
        }
    }
    return status;
}

Status mark_lines(const Pattern *pattern, const Choice *choice, const Grown *grown, size_t first,
                  const uint32_t *which, size_t count, uint8_t *marks, Deadline *deadline)
{
    Lines some = grown->lines;
    some.at += first;
    Status status = DONE;
    for (size_t i = 0; i < count && status == DONE; i++)
        status = mark_line(pattern, choice, &some, which[i] - first, marks, deadline);
    return status;
}
