/* Stable sorting by a number of 64 bits, in time that no order of the input makes longer. */
#ifndef PROBESCOPE_SORT_H
#define PROBESCOPE_SORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t key;
    uint32_t value;
} Keyed;

/* `scratch` has room for `count`. */
void sort_keyed(Keyed *items, Keyed *scratch, size_t count);

#endif
