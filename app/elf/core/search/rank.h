/* A text and a kind of match to the rank of each name; lower is better. */
#ifndef PROBESCOPE_SEARCH_RANK_H
#define PROBESCOPE_SEARCH_RANK_H

#include "lines.h"

/* `sides` is made of OPENED and CLOSED; `portable` keeps to instructions that all processors have. */
typedef struct {
    const uint8_t *needle;
    size_t length;
    unsigned sides;
    bool fold, portable;
} Question;

/* Work for in_parts: `question` is a Question, `ranks` has 16 bits a name and is only ever lowered. */
Status rank_substring(const Lines *lines, const void *question, void *ranks, Deadline deadline);
Status rank_prefix(const Lines *lines, const void *question, void *ranks, Deadline deadline);

/* Parts separated by spaces, in any order; the letters of each in their order. */
Status rank_fuzzy(const Lines *lines, const void *question, void *ranks, Deadline deadline);

/* What stands before is a qualifier or a return type; what stands behind are parameters. */
static inline bool opens(uint8_t before)
{
    return before == ':' || before == ' ';
}

static inline bool closes(uint8_t after)
{
    return after == '(' || after == '<';
}

#endif
