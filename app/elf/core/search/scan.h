/* Every place of a needle in the text of some lines, in order and overlapping, a buffer of places at a time. */
#ifndef PROBESCOPE_SEARCH_SCAN_H
#define PROBESCOPE_SEARCH_SCAN_H

#include "lines.h"

enum { NEEDLE_MOST = 4096, PLACES = 1024 };

typedef struct {
    const uint8_t *text;
    size_t size;
    size_t at; /* where to go on */
    size_t length;
    size_t rare, other, third;  /* the places of the needle whose bytes are looked for */
    bool portable;              /* without the processor's wider instructions */
    uint64_t work;              /* steps since the caller last looked */
    uint8_t needle[NEEDLE_MOST];
    uint8_t bits[NEEDLE_MOST];  /* 0x20 where the case of a letter does not count */
} Scan;

/* False where there is nothing to find: for a needle that is empty or too long, or for no lines. A needle of
 * folded search is in lower case. */
bool scan_start(Scan *scan, const Lines *lines, const uint8_t *needle, size_t length, bool fold, bool portable);

/* The next places, at most PLACES; false when there are no more. It comes back after much work, too, with none,
 * so that the caller can look at the clock. */
bool scan_next(Scan *scan, uint32_t places[PLACES], size_t *found);

bool wide_instructions(void);

static inline bool is_lower(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z';
}

#endif
