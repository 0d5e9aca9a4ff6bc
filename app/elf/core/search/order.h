/* Numbers and names into their order. */
#ifndef PROBESCOPE_SEARCH_ORDER_H
#define PROBESCOPE_SEARCH_ORDER_H

#include "lines.h"

/* The places of `keys` in ascending order, equal ones as they lie. */
Status order_keys(const uint64_t *keys, size_t count, int64_t *order);

/* The place of each of the first `count` lines by the alphabet without case, then by length, then as they lie.
 * Bytes behind the 64th decide nothing. */
Status order_names(const Lines *lines, size_t count, uint32_t *rank);

#endif
