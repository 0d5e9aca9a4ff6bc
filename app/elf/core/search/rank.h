/* A text and a kind of match to the rank of each name; lower is better. */
#ifndef PROBESCOPE_SEARCH_RANK_H
#define PROBESCOPE_SEARCH_RANK_H

#include "lines.h"

/* `ranks` has an entry a name and is only ever lowered. `sides` is made of OPENED and CLOSED. */
Status rank_substring(const Lines *lines, const uint8_t *needle, size_t length, bool fold, unsigned sides,
                      bool portable, uint16_t *ranks, Deadline deadline);
Status rank_prefix(const Lines *lines, const uint8_t *needle, size_t length, bool fold, unsigned sides,
                   uint16_t *ranks, Deadline deadline);

/* Parts separated by spaces, in any order; the letters of each in their order. */
Status rank_fuzzy(const Lines *lines, const uint8_t *text, size_t length, bool fold, bool portable,
                  uint16_t *ranks, Deadline deadline);

#endif
