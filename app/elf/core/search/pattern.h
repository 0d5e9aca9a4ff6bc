/* Alternatives of byte sets and gaps, which globs are and most regular expressions, against each line. */
#ifndef PROBESCOPE_SEARCH_PATTERN_H
#define PROBESCOPE_SEARCH_PATTERN_H

#include "cursor.h"
#include "grown.h"

enum { FROM_START = 1, TO_END = 2 };

typedef struct {
    const uint8_t *set; /* 32 bytes, a bit a byte value; NULL for one letter */
    uint8_t letter, bits;
} Place;

typedef struct {
    size_t first, count; /* of places */
} Segment;

typedef struct {
    unsigned anchors;
    size_t first, count;         /* of segments */
    size_t literal, literal_length; /* the longest run of letters, as places */
} Choice;

typedef struct {
    Place *places;
    Segment *segments;
    Choice *choices;
    size_t place_count, segment_count, choice_count;
    bool portable; /* see Question */
} Pattern;

/* False for a program that is none, or when memory is out; the pattern points into `program`. */
bool pattern_read(Pattern *pattern, Bytes program);
void pattern_free(Pattern *pattern);

/* Work for in_parts: sets a byte of `marks` to 1 for each line that matches the Pattern. */
Status pattern_mark(const Lines *lines, const void *pattern, void *marks, Deadline deadline);

/* The letters to look for first, of NEEDLE_MOST at most, and `bits` of 0x20 where their case does not count; gives
 * how many there are. */
size_t pattern_literal(const Pattern *pattern, const Choice *choice, uint8_t *letters, uint8_t *bits);

/* Sets a byte of `marks`, the first that of line `first`, to 1 for each of the lines `which` that matches this one
 * choice. */
Status mark_lines(const Pattern *pattern, const Choice *choice, const Grown *grown, size_t first,
                  const uint32_t *which, size_t count, uint8_t *marks, Deadline *deadline);

#endif
