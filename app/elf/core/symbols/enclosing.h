/* The functions in which addresses lie. */
#ifndef PROBESCOPE_ENCLOSING_H
#define PROBESCOPE_ENCLOSING_H

#include "symbols.h"

#define NO_ROW UINT32_MAX

/* The columns of symbols that are looked at, `count` long each. */
typedef struct {
    size_t count;
    const uint64_t *address, *size;
    const uint32_t *section;
    const uint8_t *type, *bind;
} Candidates;

/* For each of the addresses, which rise, the row of the function around it, else NO_ROW. */
void find_enclosing(const Candidates *symbols, const uint64_t *addresses, size_t count, uint32_t *rows);

#endif
