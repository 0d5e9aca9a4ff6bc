/* Names to search: one text, a line for each name as it is shown, then one for each further spelling.
 *
 * Lines come from columns that a hostile file may have shaped: `line_at` gives every line clipped to the text,
 * and a name's number is looked at before it is used, so that no place outside is read whatever they hold.
 */
#ifndef PROBESCOPE_SEARCH_LINES_H
#define PROBESCOPE_SEARCH_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXACT = 0, UNQUALIFIED = 1, PREFIX = 2, INSIDE = 3, FUZZY = 16, NONE = 0xffff };

/* How a text is to lie in a name: behind what qualifies it, and before nothing but parameters. */
enum { OPENED = 1, CLOSED = 2 };

typedef enum { DONE, OUT_OF_MEMORY, OUT_OF_TIME } Status;

typedef struct {
    const uint8_t *text;
    size_t size;
    const uint32_t *at;      /* count + 1 places */
    const uint32_t *further; /* the names that the lines behind those shown spell */
    size_t count;
    size_t shown; /* lines that are names as they are shown, the first of all */
    size_t names; /* there are */
} Lines;

typedef struct {
    size_t at, length; /* without the newline */
} Line;

static inline Line line_at(const Lines *lines, size_t index)
{
    size_t at = lines->at[index], end = lines->at[index + 1];
    if (at > lines->size)
        at = lines->size;
    if (end > lines->size)
        end = lines->size;
    return (Line){at, end > at ? end - at - 1 : 0};
}

static inline void rank_down(const Lines *lines, size_t index, uint16_t *ranks, uint16_t rank)
{
    size_t name = index < lines->shown ? index : lines->further[index - lines->shown];
    if (name < lines->names && rank < ranks[name])
        ranks[name] = rank;
}

/* The line that holds `place`, at `from` or behind it; `count` where there is none. */
static inline size_t line_of(const Lines *lines, size_t from, size_t place)
{
    size_t low = from, step = 1;
    while (low + step < lines->count && lines->at[low + step] <= place) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < lines->count ? low + step : lines->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (lines->at[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Looks at the clock now and then; `seconds` on the monotonic clock, 0 for never. */
typedef struct {
    double until;
    uint64_t work;
} Deadline;

bool deadline_over(Deadline *deadline);

/* After each `work` steps of about a nanosecond. */
static inline bool deadline_passed(Deadline *deadline, uint64_t work)
{
    deadline->work += work;
    return __builtin_expect(deadline->work >= (UINT64_C(1) << 20), 0) && deadline_over(deadline);
}

#endif
