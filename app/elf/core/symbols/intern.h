/* Texts to numbers: each different one once, numbered as they come. The bytes are borrowed. */
#ifndef PROBESCOPE_INTERN_H
#define PROBESCOPE_INTERN_H

#include "cursor.h"
#include "vec.h"

typedef enum { DONE, NO_MEMORY, TOO_LONG } Outcome;

typedef struct {
    VEC(Bytes) texts;
    uint64_t *slots; /* upper half of the hash, and the number + 1; 0 for none */
    size_t mask, seed;
} Interned;

enum { ABSENT = 0xffffffff };

/* The number of a text; ABSENT where it is not known. */
uint32_t interned(const Interned *table, Bytes text);
/* The same; a text that is new is added. */
Outcome intern(Interned *table, Bytes text, uint32_t *number);
void free_interned(Interned *table);

static inline bool same_bytes(Bytes one, Bytes other)
{
    return one.size == other.size && (!one.size || !memcmp(one.data, other.data, one.size));
}

#endif
